from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from bundle.data.cohorts.validation import KINDS, validate_cohort

LESION = np.zeros((6, 7, 5), np.uint8)
LESION[2:4, 2:4, 2:4] = 1


@pytest.fixture
def cohort(make_volume, tmp_path):
    """A sound cohort: a healthy person and a patient in each section; the test changes it and writes the list."""
    sections = {}
    for number, section in enumerate(("training", "validation", "test")):
        healthy, patient = f"h{number}", f"p{number}"
        make_volume(f"{healthy}.nii.gz", 2 * number)
        make_volume(f"{patient}.nii.gz", 2 * number + 1)
        make_volume(f"{patient}_seg.nii.gz", LESION)
        sections[section] = [
            {"subject": healthy, "image": f"{healthy}.nii.gz", "label": 0},
            {"subject": patient, "image": f"{patient}.nii.gz", "label": 1, "mask": f"{patient}_seg.nii.gz"},
        ]

    def write(change=lambda sections: None):
        change(sections)
        (tmp_path / "datalist.json").write_text(json.dumps(sections))
        return tmp_path / "datalist.json"

    return write


def test_sound_cohort(cohort):
    found = validate_cohort(cohort())
    assert found.problems == () and found.accepted == () and len(found.inspections) == 6
    report = found.report()
    assert report["images"] == 6 and report["problems"] == [] and report["grids"][0]["images"] == 6


def _pop_healthy(section):
    return lambda sections: sections[section].pop(0)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        pytest.param(_pop_healthy("training"), "datalist", "'training' holds one class only, label 1", id="training"),
        pytest.param(_pop_healthy("validation"), "classes", "got no healthy", id="val"),
        pytest.param(lambda s: s["test"].pop(1), "classes", "got no patients (label 1)", id="test"),
        pytest.param(
            lambda s: s["test"][0].update(subject="h0"),
            "datalist",
            "'h0' stands in",
            id="two_sections",
        ),
        pytest.param(lambda s: s["test"][0].pop("label"), "datalist", "test[0] (h2) has no 'label'", id="no_label"),
        pytest.param(lambda s: s["test"][0].update(image="x.nii"), "missing", "x.nii: the file does not", id="missing"),
    ],
)
def test_one_problem(cohort, change, kind, words):
    (problem,) = validate_cohort(cohort(change)).problems
    assert problem.kind == kind and words in problem.message


def test_same_image_twice(cohort, make_volume):
    make_volume("copy.nii", 0)  # the voxels of h0
    found = validate_cohort(cohort(lambda s: s["test"][0].update(image="copy.nii")))
    (problem,) = found.problems
    assert problem.kind == "repeated" and problem.subject == "h2"
    assert "copy.nii: an image must stand once, got the voxels of training h0" in problem.message


def test_different_grids(cohort, make_volume):
    make_volume("moved.nii.gz", 10, affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    path = cohort(lambda s: s["test"][0].update(image="moved.nii.gz"))
    (problem,) = validate_cohort(path).problems
    assert problem.kind == "grid" and "got 2: 5 of 6x7x5 voxels of 1x1x1 mm (affines: 1, first h0)" in problem.message
    accepted = validate_cohort(path, accept=["grid"])
    assert accepted.problems == () and [problem.kind for problem in accepted.accepted] == ["grid"]


def test_every_problem_at_once(cohort, make_volume, tmp_path):
    def spoil(sections):
        sections["training"].append({"subject": "h0", "image": "four.nii.gz", "label": 0})
        sections["validation"].pop(0)
        sections["test"] += [
            {"subject": "a", "image": "absent.nii.gz", "label": 0},
            {"subject": "b", "image": "h1.nii.gz", "label": 0, "mask": "p1_seg.nii.gz"},
            {"subject": "c", "image": "h0.nii.gz", "label": 1, "mask": "empty.nii.gz"},
            {"subject": "d", "image": "big.nii.gz", "label": 1, "mask": "odd.nii.gz"},
        ]

    make_volume("four.nii.gz", np.ones((6, 7, 5, 2), np.float32))
    make_volume("empty.nii.gz", LESION * 0)
    make_volume("odd.nii.gz", np.pad(LESION, 1) * 7, np.diag([-1.0, 1.0, 1.0, 1.0]))
    make_volume("big.nii.gz", np.random.default_rng(9).random((8, 9, 7), np.float32))
    path = cohort(spoil)
    for workers in (1, 3):
        found = validate_cohort(path, workers=workers)
        assert Counter(problem.kind for problem in found.problems) == dict.fromkeys(KINDS, 1)
        assert all("; " in problem.message and "\n" not in problem.message for problem in found.problems)
    assert json.loads(json.dumps(found.report()))["problems"][0]["kind"] == "datalist"


def test_entries_that_cannot_be_read_do_not_hide_others(cohort):
    def spoil(sections):
        sections["training"] += ["text", {"subject": "x"}, {"image": 3, "label": 0}]
        sections["test"] = {"a": 1}
        sections["validation"][0]["image"] = "absent.nii"

    found = validate_cohort(cohort(spoil))
    assert Counter(problem.kind for problem in found.problems) == {"datalist": 6, "missing": 1}
    assert [problem.kind for problem in validate_cohort(cohort(lambda s: s.clear())).problems] == ["datalist"]


def test_bad_arguments(cohort, tmp_path):
    with pytest.raises(ValueError, match=r"one of datalist, classes, .*, got 'grids'"):
        validate_cohort(cohort(), accept=["grids"])
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        validate_cohort(cohort(), workers=0)
    with pytest.raises(FileNotFoundError, match=r"absent\.json: the datalist does not exist"):
        validate_cohort(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text('{"test": [}')
    with pytest.raises(ValueError, match=r"bad\.json: .* valid JSON, got .*column 11"):
        validate_cohort(tmp_path / "bad.json")
