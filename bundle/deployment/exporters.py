"""Write an attribution network in the forms that other programs run, and compare them with PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import save_net_with_metadata
from monai.networks.utils import convert_to_torchscript
from monai.utils import optional_import
from torch.export import Dim

from bundle.conventions import IMAGE, PRED, split_prediction

onnxruntime, _ = optional_import("onnxruntime")

TOLERANCE = 1.0e-4
"""Difference of an exported map from PyTorch's that counts as rounding, as a share of the map's largest magnitude."""

ODD_SHARE = 0.01
"""Share of voxels that may differ by more: rounding can move a unit over the bend of its rectifier, where the slope
jumps. A wrong layer changes the border at least, 3 % of the voxels of the model's grid, and the map near it."""

_EXAMPLES = 2  # images that are traced; with one torch.export would fix the size of the batch


def export_torchscript(network: torch.nn.Module, path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a network as TorchScript, for any batch and any image size; loading it needs PyTorch alone.

    Args:
        network: attribution network with a decoder; it is put into evaluation mode.
        path: ``.ts`` file.
        metadata: content of the bundle's metadata.json, which the file then holds too.
    """
    save_net_with_metadata(convert_to_torchscript(network), str(path), include_config_vals=False, meta_values=metadata)


def export_program(network: torch.nn.Module, path: Path, shape: Sequence[int]) -> None:
    """Write a network with ``torch.export``, for any batch of images of one size; loading it needs PyTorch alone.

    Args:
        network: attribution network with a decoder; it is put into evaluation mode.
        path: ``.pt2`` file.
        shape: channels and size of an image.

    Shape:
        - shape: ``(C, *spatial)``.
    """
    example = torch.zeros(_EXAMPLES, *shape)
    program = torch.export.export(network.eval(), (example,), dynamic_shapes={"x": {0: Dim("batch", min=1)}})
    program.example_inputs = None  # they would be saved too, and are larger than the weights
    torch.export.save(program, path)


def export_onnx(network: torch.nn.Module, path: Path, shape: Sequence[int]) -> None:
    """Write a network as one ONNX file with the input ``image`` and the output ``pred``, for images of one size.

    Args:
        network: attribution network with a decoder; it is put into evaluation mode.
        path: ``.onnx`` file.
        shape: channels and size of an image; the batch is free.

    Shape:
        - shape: ``(C, *spatial)``.

    Raises:
        ImportError: When the packages onnx and onnxscript are missing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)  # PyTorch's exporter copies its own old classes
        torch.onnx.export(
            network.eval(),
            (torch.zeros(_EXAMPLES, *shape),),
            path,
            input_names=[IMAGE],
            output_names=[PRED],
            dynamic_shapes={"x": {0: Dim("batch", min=1)}},
            external_data=False,
            verbose=False,
        )


def load_exported(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """Load an exported network with the library that runs it, on the CPU.

    Args:
        path: file that one of this module's functions wrote; the suffix tells which.

    Returns:
        Function from images to predictions.
    """
    if path.suffix == ".ts":
        return torch.jit.load(path).eval()
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(session.run([PRED], {IMAGE: image.numpy()})[0])


def check_exported(path: Path, network: torch.nn.Module, shape: Sequence[int]) -> None:
    """Check on random images, one alone and two together, that an exported network predicts what PyTorch predicts.

    Args:
        path: file that one of this module's functions wrote.
        network: the network that it was made from.
        shape: channels and size of an image.

    Raises:
        ValueError: When maps or logits differ by more than rounding.
    """
    run = load_exported(path)
    for batch in (1, 2):
        image = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected, expected_logit = split_prediction(network.eval()(image))
            found, logit = split_prediction(run(image))
        limit = TOLERANCE * expected.abs().amax()
        share = float((~((found - expected).abs() <= limit)).float().mean())  # NaN differs
        if not (share <= ODD_SHARE and torch.allclose(logit, expected_logit, rtol=TOLERANCE, atol=TOLERANCE)):
            raise ValueError(
                f"{path.name}: predictions must be PyTorch's, got maps that differ by more than {TOLERANCE:g} of the "
                f"largest magnitude in {share:.2%} of the voxels and logits {logit.flatten().tolist()} for "
                f"{expected_logit.flatten().tolist()}; export with the package versions of requirements.txt"
            )
