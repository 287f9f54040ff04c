"""Make a folder with all that another program needs to segment volumes: exported networks and their record."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.handlers import Checkpoint
from monai.bundle import ConfigParser

from bundle.anomaly import load_thresholds
from bundle.data.files import file_sha256
from bundle.deployment.exporters import check_exported, export_onnx, export_program, export_torchscript
from bundle.deployment.record import deployment_record, model_grid
from bundle.handlers.saving import load_safely
from bundle.preflight import check_output_dir, check_weights

logger = logging.getLogger(__name__)

TORCHSCRIPT = "model.ts"
PROGRAM = "model.pt2"
ONNX = "model.onnx"
RECORD = "deployment.json"


def read_config(path: Path, overrides: Mapping[str, Any]) -> ConfigParser:
    """Read an inference config with the metadata beside it, and replace values of it.

    Args:
        path: config, such as configs/inference.yaml.
        overrides: id -> value, as on the command line of ``monai.bundle run``.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the config has no such id.
    """
    for file in (path, path.parent / "metadata.json"):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: the file does not exist; check the path")
    config = ConfigParser()
    config.read_config(path)
    config.read_meta(path.parent / "metadata.json")
    for key, value in overrides.items():
        if key not in config:
            raise ValueError(f"{path}: a value to replace must be in the config, got {key!r}; correct the name")
        config[key] = value
    return config


def write_deployment(config: ConfigParser, output_dir: Path) -> list[Path]:
    """Export the network of a config and write the record of its deployment.

    Every exported network is loaded again and compared with PyTorch. The files get their names when all are complete,
    the record last; it holds the hashes of the others, so that files of two deployments are told apart.

    Args:
        config: what `read_config` returns.
        output_dir: folder, made when it does not exist; files of an earlier deployment are replaced.

    Returns:
        The files.

    Raises:
        FileNotFoundError: When weights or thresholds are missing.
        ValueError: When weights, thresholds or transforms do not fit, or an exported network predicts something else.
        ImportError: When a package that writes or runs ONNX is missing.
    """
    preprocessing = config.get_parsed_content("preprocessing")
    shape = (1, *model_grid(preprocessing).shape)
    model_file = config.get_parsed_content("model_file")
    network = config.get_parsed_content("network_def")
    check_weights(model_file, network)
    Checkpoint.load_objects({"model": network}, load_safely(model_file))
    thresholds = load_thresholds(
        config.get_parsed_content("threshold_file"), model_file, config.get_parsed_content("calibration")
    )
    record = deployment_record(
        preprocessing=preprocessing,
        postprocessing=config.get_parsed_content("postprocessing"),
        thresholds=thresholds,
        score=config.get_parsed_content("score"),
        name=config["_meta_::name"],
        threshold=config.get_parsed_content("threshold"),
    )
    check_output_dir(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=output_dir) as name:
        files = _export(network, Path(name), shape, config["_meta_"])
        record["files"] = {file.name: file_sha256(file) for file in files}
        files.append(Path(name) / RECORD)
        files[-1].write_text(json.dumps(record, indent=4, allow_nan=False) + "\n", encoding="utf-8")
        return [file.replace(output_dir / file.name) for file in files]


def _export(network: torch.nn.Module, folder: Path, shape: tuple[int, ...], metadata: Mapping[str, Any]) -> list[Path]:
    """Write and check the network in every form."""
    files = [folder / name for name in (TORCHSCRIPT, PROGRAM, ONNX)]
    torchscript, program, onnx = files
    export_torchscript(network, torchscript, metadata)
    export_program(network, program, shape)
    export_onnx(network, onnx, shape)
    for file in files:
        check_exported(file, network, shape)
        logger.info("%s predicts what PyTorch predicts", file.name)
    return files
