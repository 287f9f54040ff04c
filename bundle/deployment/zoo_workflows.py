"""What the continuous integration of the MONAI Model Zoo checks by running the bundle.

The network's names are looked up on Python's path, so the process must have been started in the bundle's root.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import torch
from monai.bundle import ckpt_export, create_workflow, verify_metadata, verify_net_in_out

from bundle.data.phantom.subject import make_subject
from bundle.deployment.contents import METADATA, WEIGHTS

CONFIG = "configs/inference.yaml"
SCHEMA = "eval/schema.json"


def check_workflows(root: Path) -> list[str]:
    """Check metadata, network and the properties of the inference workflow, and export the network to TorchScript.

    Args:
        root: root folder of the bundle.

    Returns:
        One line per problem; nothing when the zoo would take the bundle.
    """
    problems = []
    with tempfile.TemporaryDirectory() as name:
        checks: dict[str, Callable[[], Any]] = {
            "metadata": lambda: verify_metadata(meta_file=str(root / METADATA), filepath=str(root / SCHEMA)),
            "network_data_format": lambda: verify_net_in_out(
                net_id="network_def", meta_file=str(root / METADATA), config_file=str(root / CONFIG), device="cpu"
            ),
            "TorchScript": lambda: _check_torchscript(root, Path(name)),
            "properties": lambda: _check_properties(root, Path(name)),
        }
        for what, check in checks.items():
            try:
                check()
            except (Exception, SystemExit) as error:  # MONAI raises whatever its check meets; that is the finding
                problems.append(f"{what}: {' '.join(str(error).split())[:300] or type(error).__name__}")
    return problems


def _check_torchscript(root: Path, folder: Path) -> None:
    """Export the weights as the zoo does, and load the result."""
    exported = folder / "model.ts"
    ckpt_export(
        net_id="network_def",
        filepath=str(exported),
        ckpt_file=str(root / WEIGHTS),
        meta_file=str(root / METADATA),
        config_file=str(root / CONFIG),
    )
    torch.jit.load(str(exported))


def _check_properties(root: Path, folder: Path) -> None:
    """Look for every property that MONAI requires of an inference workflow, on a sample volume."""
    subject = make_subject(2023, 0, "healthy", spacing_mm=2.0)
    nib.save(nib.Nifti1Image(subject.image, subject.affine), folder / "sample_flair.nii.gz")
    workflow = create_workflow(
        workflow_type="inference",
        config_file=str(root / CONFIG),
        meta_file=str(root / METADATA),
        logging_file=str(root / "configs" / "logging.conf"),
        bundle_root=str(root),
        dataset_dir=str(folder / "sample_flair.nii.gz"),
        output_dir=str(folder / "results"),
        device="cpu",
    )
    missing = workflow.check_properties()
    if missing:
        raise ValueError(f"{CONFIG} must have every required property, got none of {', '.join(missing)}")
