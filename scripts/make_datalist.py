"""Write a datalist for folders of FLAIR volumes with their lesion masks beside them.

Images are named *_flair.nii.gz, masks *_seg.nii.gz or *_lesion.nii.gz. Every folder is one condition and gets the
folder's name: a folder named healthy holds healthy subjects, any other one patients.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from bundle.conventions import HEALTHY, PATHOLOGICAL, TEST, TRAINING, VALIDATION

IMAGE_SUFFIX = "_flair.nii.gz"
MASK_SUFFIXES = ("_seg.nii.gz", "_lesion.nii.gz")


def folder_entries(folder: Path, start: Path) -> list[dict[str, object]]:
    """List the subjects of one folder, with paths relative to ``start``.

    Raises:
        FileNotFoundError: When the folder holds no image of that name.
    """
    images = sorted(folder.glob(f"*{IMAGE_SUFFIX}"))
    if not images:
        raise FileNotFoundError(f"{folder}: the folder must hold files named *{IMAGE_SUFFIX}, got none; rename them")
    entries = []
    for image in images:
        subject = image.name.removesuffix(IMAGE_SUFFIX)
        entry: dict[str, object] = {
            "subject": subject,
            "image": os.path.relpath(image, start),
            "label": HEALTHY if folder.name == "healthy" else PATHOLOGICAL,
            "condition": folder.name,
        }
        masks = [folder / f"{subject}{suffix}" for suffix in MASK_SUFFIXES if (folder / f"{subject}{suffix}").is_file()]
        if masks:
            entry["mask"] = os.path.relpath(masks[0], start)
        entries.append(entry)
    return entries


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write the datalist."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.make_datalist",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", type=Path, nargs="+", help="folders, one condition each")
    parser.add_argument("--output", type=Path, required=True, help="datalist to write")
    parser.add_argument("--section", choices=(TRAINING, VALIDATION, TEST), default=TEST, help="default: %(default)s")
    args = parser.parse_args(arguments)

    start = args.output.resolve().parent
    entries = [entry for folder in args.folders for entry in folder_entries(folder.resolve(), start)]
    start.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps({args.section: entries}, indent=4) + "\n", encoding="utf-8")
    print(f"{args.output}: {len(entries)} subjects, {sum('mask' in entry for entry in entries)} with a mask")


if __name__ == "__main__":
    main()
