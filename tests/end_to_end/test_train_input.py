"""What a user can get wrong in a training: one line for each problem, before anything is written."""

from __future__ import annotations

import json
import os

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def errors(run_bundle, tmp_path):
    """Start a training that must fail without writing to its output folder, and return its lines of errors."""

    def errors(dataset_dir, output_dir=tmp_path / "out", **options):
        run = run_bundle("train.yaml", dataset_dir=dataset_dir, output_dir=output_dir, num_workers=0, **options)
        lines = run.stderr.strip().splitlines()
        assert run.returncode == 1 and all(line.startswith("error: ") for line in lines), run.stderr
        assert not (tmp_path / "out").exists()
        return lines

    return errors


@pytest.fixture
def copy(training_cohort, tmp_path):
    """Copy the cohort's datalist into a new folder, with a change; the images stay where they are."""

    def copy(change):
        datalist = json.loads((training_cohort / "datalist.json").read_text())
        for entry in (entry for section in datalist.values() for entry in section):
            entry.update({key: str(training_cohort / entry[key]) for key in ("image", "mask") if key in entry})
        change(datalist)
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "datalist.json").write_text(json.dumps(datalist))
        return folder

    return copy


def one_class(datalist):
    datalist["training"] = [entry for entry in datalist["training"] if entry["label"] == 1]


def two_splits(datalist):
    datalist["test"] = datalist["training"][:1]


def no_validation(datalist):
    del datalist["validation"]


def no_healthy_validation(datalist):
    datalist["validation"] = [entry for entry in datalist["validation"] if entry["label"] == 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(one_class, "section 'training' holds one class only, label 1 (pathological)", id="one_class"),
        pytest.param(two_splits, "subject 'sub-0' stands in training and test", id="two_splits"),
        pytest.param(no_validation, "section 'validation' is missing or empty", id="no_validation"),
        pytest.param(no_healthy_validation, "section 'validation' must hold healthy and", id="no_healthy_validation"),
    ],
)
def test_datalist(errors, copy, change, words):
    (line,) = errors(copy(change))
    assert f"datalist.json: {words}" in line


def _truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def _rewrite(change):
    def rewrite(path):
        image = nib.load(path)
        array = np.asarray(image.dataobj, dtype=np.float32)
        path.unlink()
        nib.save(nib.Nifti1Image(change(array), image.affine), path)

    return rewrite


BAD_IMAGES = {
    "the file does not exist": lambda path: path.unlink(),
    "the file is truncated": _truncate,
    "NaN": _rewrite(lambda array: np.where(array == array.max(), np.float32(np.nan), array)),
    "all voxels are 0": _rewrite(np.zeros_like),
    "got 4 channels": _rewrite(lambda array: np.stack([array] * 4, axis=-1)),
}


def test_every_bad_image_is_named(errors, make_volume, copy, tmp_path):
    paths = []
    for number, spoil in enumerate(BAD_IMAGES.values()):
        paths.append(make_volume(tmp_path / "images" / f"bad-{number}_flair.nii.gz", number, label=0))
        spoil(paths[-1])

    def change(datalist):
        entries = [{"subject": path.name, "image": str(path), "label": 0} for path in paths]
        datalist["training"][:4] = entries[:-1]
        datalist["validation"].append(entries[-1])

    lines = errors(copy(change))
    assert len(lines) == len(BAD_IMAGES), lines
    for line, path, words in zip(lines, paths, BAD_IMAGES, strict=True):
        assert line.startswith(f"error: {path}: ") and words in line


def test_output_folder_that_is_a_file(errors, training_cohort, tmp_path):
    (tmp_path / "taken").write_text("a file")
    (line,) = errors(training_cohort, tmp_path / "taken")
    assert "taken: the output folder cannot be made" in line
    assert (tmp_path / "taken").read_text() == "a file"


def test_misspelt_option(errors, training_cohort):
    (line,) = errors(training_cohort, max_epoch=10)
    assert line == "error: max_epoch: no part of the config uses an option of this name; did you mean --max_epochs?"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("alpha", -1, "alpha must be"),
        ("batch_size", 1, "batch_size must be at least 2"),
        ("network_def#classifier#norm", "layer", "A convex logit needs norm='none', got 'layer'"),
    ],
)
def test_wrong_values(run_bundle, training_cohort, tmp_path, option, value, message):
    run = run_bundle("train.yaml", dataset_dir=training_cohort, output_dir=tmp_path / "out", **{option: value})
    assert run.returncode == 1 and run.stderr.splitlines()[-1].startswith(f"error: {message}"), run.stderr
    assert not (tmp_path / "out").exists()
