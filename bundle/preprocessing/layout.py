"""Where the files of a preprocessed data set lie."""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("images", "masks", "transforms", "qc", "provenance")
DATALIST = "datalist.json"
PARTIAL = ".partial"  # folder in which a subject's files are written before they are moved to their places


def image_file(name: str) -> str:
    """Return the path of a subject's image within the output folder."""
    return f"images/{name}_flair.nii.gz"


def mask_file(name: str) -> str:
    """Return the path of a subject's lesion mask within the output folder."""
    return f"masks/{name}_lesion.nii.gz"


def to_mni_file(name: str) -> str:
    """Return the path of the transform that resamples a native volume to the MNI grid."""
    return f"transforms/{name}_to_mni.tfm"


def to_native_file(name: str) -> str:
    """Return the path of the transform that resamples a volume in MNI space to the native grid."""
    return f"transforms/{name}_to_native.tfm"


def picture_file(name: str) -> str:
    """Return the path of a subject's quality control picture."""
    return f"qc/{name}.png"


def record_file(output_dir: Path, name: str) -> Path:
    """Return a subject's record."""
    return output_dir / "provenance" / f"{name}.json"


def result_files(name: str, masked: bool) -> tuple[str, ...]:
    """Return the paths of all that is written for a subject beside its record."""
    files = (image_file(name), to_mni_file(name), to_native_file(name), picture_file(name))
    return (*files, mask_file(name)) if masked else files
