from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections import namedtuple
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.anomaly.threshold import save_thresholds
from bundle.preflight import (
    check_entries,
    check_one_shape,
    check_or_exit,
    check_output_dir,
    check_output_names,
    entries_or_exit,
    preflight,
)

SHAPE = (6, 7, 5)


def _save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return str(path)


def _noise(shape=SHAPE):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.fixture
def good(tmp_path):
    """Arguments that pass, with an output folder that does not exist yet."""
    weights = tmp_path / "model.pt"
    torch.save({"layer.weight": torch.ones(2)}, weights)
    save_thresholds(tmp_path / "threshold.json", weights, {"attribution": 0.5})
    mask = _save(tmp_path / "mask.nii.gz", np.ones(SHAPE, np.uint8))
    entries = [{"image": _save(tmp_path / "image.nii.gz", _noise()), "mask": mask, "label": 1}]
    return {
        "entries": entries,
        "weights": weights,
        "threshold_file": tmp_path / "threshold.json",
        "output_dir": tmp_path / "new" / "output",
    }


def test_all_well_and_nothing_written(tmp_path, good):
    before = sorted(tmp_path.rglob("*"))
    preflight(**good)
    assert sorted(tmp_path.rglob("*")) == before


def _truncated(folder):
    path = _save(folder / "bad.nii.gz", _noise((20, 20, 20)))
    os.truncate(path, os.path.getsize(path) // 2)
    return path


BAD_IMAGES = {
    "missing": (lambda folder: str(folder / "bad.nii.gz"), "does not exist"),
    "truncated": (_truncated, "truncated"),
    "four_channels": (lambda folder: _save(folder / "bad.nii.gz", _noise((*SHAPE, 4))), "got 4 channels"),
    "nan": (lambda folder: _save(folder / "bad.nii.gz", np.where(_noise() > 0.5, np.nan, 0)), "NaN"),
    "empty": (lambda folder: _save(folder / "bad.nii.gz", np.zeros(SHAPE, np.int16)), "all voxels are 0"),
    "slice": (lambda folder: _save(folder / "bad.nii.gz", _noise((6, 7))), "got shape (6, 7)"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_image(tmp_path, good, name):
    make, what = BAD_IMAGES[name]
    good["entries"].append({"image": make(tmp_path)})
    line = _message(good)
    assert line.startswith(f"error: {tmp_path / 'bad.nii.gz'}: ") and what in line and ";" in line and "\n" not in line
    assert not good["output_dir"].exists()


def test_every_problem_has_its_line(tmp_path, good):
    good["entries"] = [{"image": str(tmp_path / f"{index}.nii.gz")} for index in range(20)]
    good["weights"] = tmp_path / "absent.pt"
    lines = _message(good, progress=False).splitlines()
    assert "absent.pt: the weights do not exist" in lines[0]
    assert [f"{index}.nii.gz: " in line for index, line in enumerate(lines[1:])] == [True] * 20


def test_bad_mask(tmp_path, good):
    good["entries"][0]["mask"] = _save(tmp_path / "m.nii.gz", np.zeros((6, 7, 6), np.uint8))
    assert "m.nii.gz: a mask must have its image's shape (6, 7, 5)" in _message(good)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(b"broken", "cannot be read", id="text"),
        pytest.param(b"PK\x03\x04 cut", "cannot be read", id="truncated"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1", "cannot be read", id="lfs_pointer"),
        pytest.param(pickle.dumps(Path), "cannot be read", id="code"),
    ],
)
def test_unreadable_weights(good, content, what):
    good["weights"].write_bytes(content)
    line = _message(good)
    assert line.startswith(f"error: {good['weights']}: the weights {what}") and "\n" not in line


def test_weights_without_a_state_dict(good):
    torch.save(torch.ones(2), good["weights"])
    assert "model.pt: a weights file must hold a state dict, got Tensor" in _message(good)


def test_weights_of_another_network(good):
    good["network"] = torch.nn.Linear(1, 2)
    line = _message(good)
    assert line.startswith(f"error: {good['weights']}: the weights do not fit network_def: ") and "\n" not in line
    assert "such as weight" in line and "such as layer.weight" in line


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state}], ids=["plain", "below_model"])
def test_weights_that_fit(good, wrap):
    good["network"] = torch.nn.Linear(1, 2)
    torch.save(wrap(good["network"].state_dict()), good["weights"])
    good["threshold_file"] = None
    preflight(**good)


def test_weights_not_finite(good):
    torch.save({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, good["weights"])
    line = _message(good)
    assert "model.pt: weights must be finite, got NaN or infinity in 1 of 2 tensors, such as b;" in line
    assert "\n" not in line  # nothing of the threshold file, which belongs to weights that could be read


def test_threshold_file_of_another_model(tmp_path, good):
    good["weights"] = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(2)}, good["weights"])
    line = _message(good)
    assert "threshold.json" in line and "other weights than" in line and "other.pt" in line and "\n" not in line


def test_output_folder_below_a_file(good):
    good["output_dir"] = good["weights"] / "output"
    assert "output: the output folder cannot be made, " in _message(good)


def test_output_folder_not_writable(good, monkeypatch):
    def refuse(dir):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("bundle.preflight.tempfile.TemporaryFile", refuse)
    assert "new/output: the output folder is not writable (Read-only file system)" in _message(good)


def test_disk_nearly_full(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(5e6))
    check_output_dir(tmp_path, free_mb=5)
    with pytest.raises(ValueError, match="must have 200 MB free, got 5 MB"):
        check_output_dir(tmp_path)


def test_results_would_overwrite_each_other():
    with pytest.raises(ValueError, match=r"flair: .* 2 images have this name"):
        check_output_names([{"image": "a/flair.nii.gz"}, {"image": "b/flair.nii"}, {"image": "c/x.nii"}])


def test_images_of_one_name_pass_where_nothing_is_named_after_them(tmp_path, good):
    good["entries"] = [{"image": _save(tmp_path / folder / "flair.nii.gz", _noise())} for folder in "ab"]
    preflight(**good)
    assert "flair: results are named after the image" in _message(good, file_per_image=True)


def test_images_of_one_shape(tmp_path, good):
    entries = [{"image": _save(tmp_path / f"{n}.nii.gz", _noise((6, 7, *tail)))} for n, tail in enumerate([(), (1,)])]
    check_one_shape(entries, spatial_dims=2)
    preflight(**{**good, "entries": entries}, spatial_dims=2, one_shape=True)
    entries.append({"image": _save(tmp_path / "wide.nii.gz", _noise((8, 7)))})
    with pytest.raises(SystemExit, match=r"wide\.nii\.gz: .* one shape, \(6, 7\) as the first one, got \(8, 7\); pad"):
        preflight(**{**good, "entries": entries}, spatial_dims=2, one_shape=True)
    preflight(**{**good, "entries": entries}, spatial_dims=2)


def test_check_or_exit():
    def fail():
        raise ValueError("state.pt: wrong seed 3; use another")

    check_or_exit(lambda: None)
    with pytest.raises(SystemExit, match=r"^error: state\.pt: wrong seed 3; use another$"):
        check_or_exit(fail)


def test_entries_from_a_function(tmp_path, good):
    good["entries"] = lambda: [{"image": str(tmp_path / "absent.nii.gz")}]
    assert "absent.nii.gz: the file does not exist" in _message(good)


DATALISTS = {
    "one_class": ({"training": [("a", 1), ("b", 1)]}, "one class only"),
    "two_splits": ({"training": [("a", 0), ("b", 1)], "test": [("a", 0)]}, "'a' stands in training and test"),
}


@pytest.mark.parametrize("name", DATALISTS)
def test_bad_datalist(tmp_path, good, name):
    sections, what = DATALISTS[name]
    path = tmp_path / "datalist.json"
    datalist = {
        section: [{"subject": subject, "image": f"{subject}.nii.gz", "label": label} for subject, label in entries]
        for section, entries in sections.items()
    }
    path.write_text(json.dumps(datalist))
    with pytest.raises(SystemExit) as error:
        entries_or_exit(path, "training")
    assert str(error.value).startswith(f"error: {path}: ") and what in str(error.value)
    good["entries"] = lambda: entries_or_exit(path, "training")
    assert _message(good) == str(error.value)


def test_progress_bar_for_many(tmp_path, capsys):
    entry = {"image": _save(tmp_path / "a.nii.gz", _noise())}
    assert check_entries([entry] * 20) == []
    assert "checking images" in capsys.readouterr().err
    assert check_entries([entry] * 20, progress=False) == [] and capsys.readouterr().err == ""


def test_configs_do_not_wrap_the_message(tmp_path):
    parser = ConfigParser(
        {
            "imports": ["$from bundle.preflight import entries_or_exit", "$from bundle.preflight import preflight"],
            "dataset_dir": str(tmp_path / "absent"),
            "entries": "$entries_or_exit(@dataset_dir)",
            "initialize": ["$preflight(@entries)"],
        }
    )
    with pytest.raises(SystemExit, match=r"^error: .*absent: no such file or folder; check the path$"):
        parser.get_parsed_content("initialize")


def _message(arguments, **more):
    with pytest.raises(SystemExit) as error:
        preflight(**arguments, **more)
    return str(error.value)
