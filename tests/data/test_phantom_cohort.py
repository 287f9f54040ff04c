from __future__ import annotations

import hashlib
import json

import nibabel as nib
import numpy as np
import pytest

from bundle.data.phantom.cohort import CohortPlan, write_cohort
from bundle.data.records import load_datalist

COUNTS = {"healthy": 4, "tumour": 3, "ms": 3}
SPACING_MM = 8.0


def _plan(**changes):
    return CohortPlan(**{"counts": COUNTS, "spacing_mm": SPACING_MM, "seed": 1, **changes})


def _hashes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    assert list(write_cohort(folder, _plan())) == [f"sub-{number:04d}" for number in range(1, 11)]
    return folder


def test_files_and_datalist(cohort):
    names = set(_hashes(cohort))
    subjects = [name for name, _, _ in _plan().subjects()]
    images, masks = (
        {f"{kind}s/{name}_{end}.nii.gz" for name in subjects} for kind, end in (("image", "flair"), ("mask", "lesion"))
    )
    assert names == images | masks | {"datalist.json", "cohort.json"}
    entries = [
        entry
        for section in ("training", "validation", "test")
        for entry in load_datalist(cohort / "datalist.json", section)
    ]
    assert sorted(entry["subject"] for entry in entries) == subjects
    for entry in entries:
        image, mask = nib.load(entry["image"]), nib.load(entry["mask"])
        assert image.shape == mask.shape == (23, 28, 23)
        np.testing.assert_array_equal(image.affine, mask.affine)
        np.testing.assert_array_equal(image.affine[:3], [[8, 0, 0, -90], [0, 8, 0, -126], [0, 0, 8, -72]])
        assert (image.get_data_dtype(), mask.get_data_dtype()) == (np.int16, np.uint8)
        assert bool(np.asarray(mask.dataobj).any()) == (entry["label"] == 1) == (entry["condition"] != "healthy")
        assert not np.asarray(mask.dataobj)[np.asarray(image.dataobj) == 0].any()


def test_every_section_has_every_condition(cohort):
    datalist = json.loads((cohort / "datalist.json").read_text())
    assert datalist["grid_spacing_mm"] == [8, 8, 8]
    for section in ("training", "validation", "test"):
        assert {entry["condition"] for entry in datalist[section]} == set(COUNTS)


def test_default_fractions():
    sizes = {name: len(part) for name, part in _plan(counts={"healthy": 200, "tumour": 100, "ms": 100}).split().items()}
    assert sizes == {"training": 280, "validation": 40, "test": 80}


def test_resume_makes_only_what_is_missing(cohort):
    before = _hashes(cohort)
    lost, kept = cohort / "images/sub-0006_flair.nii.gz", cohort / "images/sub-0002_flair.nii.gz"
    lost.unlink()
    (cohort / "datalist.json").unlink()
    age = kept.stat().st_mtime_ns
    list(write_cohort(cohort, _plan()))
    assert _hashes(cohort) == before
    assert kept.stat().st_mtime_ns == age


def test_stopped_run_leaves_no_datalist_and_no_partial_file(tmp_path):
    subjects = write_cohort(tmp_path, _plan())
    next(subjects), next(subjects)
    subjects.close()
    assert set(_hashes(tmp_path)) == {
        "cohort.json",
        *(f"images/sub-000{number}_flair.nii.gz" for number in (1, 2)),
        *(f"masks/sub-000{number}_lesion.nii.gz" for number in (1, 2)),
    }


def test_result_does_not_depend_on_the_number_of_processes(cohort, tmp_path):
    assert len(list(write_cohort(tmp_path, _plan(), workers=2))) == 10
    assert _hashes(tmp_path) == _hashes(cohort)


def test_folder_of_another_cohort(cohort):
    before = _hashes(cohort)
    with pytest.raises(ValueError, match=r"found one with seed 1 instead of 2\. Choose another folder"):
        list(write_cohort(cohort, _plan(seed=2)))
    assert _hashes(cohort) == before


def test_folder_with_a_foreign_datalist(tmp_path):
    (tmp_path / "datalist.json").write_text("{}")
    with pytest.raises(ValueError, match=r"found a datalist\.json without cohort\.json"):
        list(write_cohort(tmp_path, _plan()))


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        list(write_cohort(tmp_path / "file", _plan()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"counts": {"healthy": -1}}, "healthy subjects must not be negative, got -1", id="negative"),
        pytest.param({"counts": {"healthy": 0}}, "got 0 of every condition", id="nobody"),
        pytest.param({"counts": {"stroke": 5}}, "got 'stroke'", id="unknown_condition"),
        pytest.param({"counts": {"ms": 2}}, "'ms' must have a subject for each of 3 sections, got 2", id="too_few"),
        pytest.param({"spacing_mm": 0.7}, "from 1 to 12, got 0.7", id="spacing"),
        pytest.param({"seed": -3}, "seed must not be negative, got -3", id="seed"),
        pytest.param({"scanner_signature": 2.0}, "got 2.0", id="signature"),
        pytest.param({"signature_gain": -0.1}, "signature_gain must be from 0 to 1, got -0.1", id="gain"),
    ],
)
def test_bad_plan(changes, message):
    with pytest.raises(ValueError, match=message):
        _plan(**changes)


def test_bad_number_of_workers(tmp_path):
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        list(write_cohort(tmp_path, _plan(), workers=0))


def test_datalist_holds_the_scanner():
    tied = _plan(scanner_signature=1.0).datalist()
    assert all(entry["scanner"] == entry["label"] for entry in tied["training"])
    free = _plan(counts={"healthy": 100}).datalist()
    assert 22 < sum(entry["scanner"] for entry in free["training"]) < 48  # 70 fair coins, 3 standard deviations
