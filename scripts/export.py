"""Export weights for programs without this bundle: TorchScript, torch.export, ONNX and the record of the steps around.

Writes model.ts, model.pt2, model.onnx and deployment.json (grid, normalisation, threshold, decision, hashes) to a
folder. Each exported network is compared with PyTorch first. Any value of the config can be replaced as for
monai.bundle run, such as --model_file runs/mine/model.pt --threshold_file runs/mine/evaluation/threshold.json,
--calibration healthy or --score input_weighted. Needs onnx, onnxscript and onnxruntime.
"""

from __future__ import annotations

import argparse
import ast
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bundle.deployment import read_config, write_deployment


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s [-h] [--config_file FILE] [--output_dir DIR] [--ID VALUE ...]",
        allow_abbrev=False,
    )
    parser.add_argument("--config_file", type=Path, default=Path("configs/inference.yaml"), help="default: %(default)s")
    parser.add_argument("--output_dir", type=Path, default=Path("output/deployment"), help="default: %(default)s")
    return parser


def _overrides(words: Sequence[str]) -> dict[str, Any]:
    """Read pairs of --ID and VALUE.

    Raises:
        ValueError: When a word is neither.
    """
    names, values = words[::2], words[1::2]
    for name in names:
        if not name.startswith("--"):
            raise ValueError(f"values to replace are given as --ID VALUE, got {name!r}")
    if len(names) != len(values):
        raise ValueError(f"{names[-1]} needs a value")
    return {name[2:]: _value(text) for name, text in zip(names, values, strict=True)}


def _value(text: str) -> Any:
    """Read a Python literal, and anything else as text, as monai.bundle run does."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and export."""
    args, rest = _parser().parse_known_args(arguments)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it says that torchvision, which is not needed, is missing
    try:
        for path in write_deployment(read_config(args.config_file, _overrides(rest)), args.output_dir):
            print(path)
    except ImportError as error:
        raise SystemExit(f"error: {error}; install onnx, onnxscript and onnxruntime") from error
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
