"""Try a package as someone who downloads it does: unpacked in an empty folder, with nothing else on Python's path."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from monai.apps.utils import extractall

from bundle.deployment.contents import LARGE_FILES
from bundle.deployment.package import write_package
from bundle.preflight import check_output_dir

logger = logging.getLogger(__name__)

_LINES = 5  # of a failed command's output that the error quotes


def write_verified_package(root: Path, output_dir: Path, weights_url: str | None = None) -> Path:
    """Write a package as `write_package` does, under its name only when it has passed `verify_package`.

    Args:
        root: root folder of the bundle.
        output_dir: folder of the archive, made when it does not exist.
        weights_url: where the weights can be downloaded; they are then left out.

    Returns:
        The archive.

    Raises:
        FileNotFoundError: When weights, thresholds or metadata are missing.
        ValueError: When the bundle cannot be packed or the package fails.
    """
    check_output_dir(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=output_dir) as name:
        archive = write_package(root, Path(name), weights_url)
        verify_package(archive)
        return archive.replace(output_dir / archive.name)


def verify_package(archive: Path, python: str | Path = sys.executable) -> None:
    """Unpack a package, run the Model Zoo's checks there and segment a synthetic tumour.

    Args:
        archive: what `write_package` returns.
        python: interpreter that runs the bundle, such as that of an environment with the required packages only.

    Raises:
        ValueError: When a step fails or the result is incomplete; the message quotes the step's last lines.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extractall(filepath=str(archive), output_dir=str(folder / "unpacked"), has_base=True)
        (root,) = (folder / "unpacked").iterdir()
        if (root / LARGE_FILES).is_file():
            _run(root, python, "monai.bundle", "download_large_files", "--bundle_path", ".")
        _run(root, python, "scripts.check_zoo")
        _run(root, python, "scripts.make_sample", "--output_dir", str(folder / "sample"), "--spacing_mm", "2.0")
        config = ("--config_file", "configs/inference.yaml", "--device", "cpu")
        images, results = str(folder / "sample" / "images"), folder / "results"
        _run(root, python, "monai.bundle", "run", *config, "--dataset_dir", images, "--output_dir", str(results))
        _check_results(archive, results)


def _run(root: Path, python: str | Path, module: str, *arguments: str) -> None:
    """Run a module of the unpacked bundle."""
    command: Sequence[str] = (str(python), "-m", module, *arguments)
    hidden = ("PYTHONPATH", "PYTHONHOME")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_LINES:]
        raise ValueError("\n".join([f"{module} fails in the unpacked package, exit status {done.returncode}:", *last]))
    logger.info("%s: passed in the unpacked package", module)


def _check_results(archive: Path, results: Path) -> None:
    """Check that inference has written a mask, a map, a picture and a record with a decision."""
    kinds = ("anomaly.nii.gz", "attribution.nii.gz", "overlay.png", "result.json")
    missing = [kind for kind in kinds if len(list(results.glob(f"*/*_{kind}"))) != 1]
    if missing:
        raise ValueError(
            f"{archive}: inference in the unpacked package must write {', '.join(kinds)}, got no {missing}"
        )
    (record,) = results.glob("*/*_result.json")
    decision = json.loads(record.read_text(encoding="utf-8")).get("decision")
    logger.info("inference in the unpacked package: the sample with a tumour is called %s", decision)
