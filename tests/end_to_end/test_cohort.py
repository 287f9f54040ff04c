"""From folders on disk to a trained network: build and validate a datalist, then one epoch of configs/train.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.data.records import load_sections
from scripts.cohort import main as cohort
from tests.warm_process import run_module

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def datalist(make_volume, tmp_path_factory):
    """Build healthy persons from a BIDS data set and patients from BraTS, and check them."""
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(1, 6):
        path = make_volume(folder / f"new/{number}_flair.nii.gz", number, label=0)
        image = folder / f"IBC/sub-{number:02d}/ses-00/anat/sub-{number:02d}_ses-00_FLAIR.nii.gz"
        image.parent.mkdir(parents=True)
        path.rename(image)
        case = f"BraTS20_Training_{number:03d}"
        path = make_volume(folder / f"BraTS/{case}/{case}_flair.nii.gz", 10 + number, label=1)
        path.with_name(f"{case}_lesion.nii.gz").rename(path.with_name(f"{case}_seg.nii.gz"))
    output = str(folder / "datalist.json")
    healthy = ["bids", str(folder / "IBC"), "--condition", "healthy"]
    cohort(["build", *healthy, "+", "brats", str(folder / "BraTS"), "--output", output])
    cohort(["validate", output])
    return folder / "datalist.json"


def test_train(run_bundle, datalist, tmp_path):
    sections = load_sections(datalist)
    assert {name: len(part) for name, part in sections.items()} == {"training": 6, "validation": 2, "test": 2}
    output_dir = tmp_path / "run"
    run = run_bundle("train.yaml", dataset_dir=datalist.parent, output_dir=output_dir, max_epochs=1, num_workers=0)
    assert run.returncode == 0, run.stderr
    assert (output_dir / "model.pt").is_file() and (output_dir / "model_final.pt").is_file()


def test_validate_ends_with_status_1(datalist):
    image = datalist.parent / "IBC/sub-01/ses-00/anat/sub-01_ses-00_FLAIR.nii.gz"
    image.rename(image.with_suffix(".away"))
    run = run_module("scripts.cohort", ["validate", str(datalist)])
    image.with_suffix(".away").rename(image)
    assert run.returncode == 1
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert "IBC_sub-01_ses-00: " in line and f"{image.name}: the file does not exist" in line
