from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.data.cohorts.datalist import write_datalist
from bundle.data.cohorts.scan import Scan
from bundle.data.records import load_sections


def _scan(subject, condition, **more):
    return Scan(subject, more.pop("patient", subject), Path("/data") / f"{subject}.nii", condition, **more)


def test_parts_are_put_together(tmp_path):
    path = tmp_path / "new" / "datalist.json"
    patients = {"training": [_scan("a", "ms"), _scan("c", "ms")], "test": [_scan("e", "ms", mask=Path("/data/m.nii"))]}
    healthy = {"training": [_scan("d", "healthy"), _scan("b", "healthy")], "validation": []}
    sections = write_datalist(path, [patients, healthy], "made by a test")
    assert [scan.subject for scan in sections["training"]] == ["b", "d", "a", "c"]
    found = load_sections(path)
    assert [entry["subject"] for entry in found["training"]] == ["b", "d", "a", "c"] and "validation" not in found
    assert Path(found["test"][0]["mask"]).resolve() == Path("/data/m.nii")
    assert json.loads(path.read_text())["description"] == "made by a test"
    assert [file.name for file in path.parent.iterdir()] == ["datalist.json"]


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        pytest.param([{"training": [_scan("a", "ms")]}], "one class only, label 1", id="one_class"),
        pytest.param([{"test": [_scan("a", "ms")]}, {"test": [_scan("a", "ms")]}], "'a' is also that", id="twice"),
        pytest.param(
            [{"validation": [_scan("a", "ms", patient="p")], "test": [_scan("b", "ms", patient="p")]}],
            r"datalist\.json: patient 'p' stands in validation and test",
            id="two_sections",
        ),
    ],
)
def test_nothing_is_written(tmp_path, parts, match):
    with pytest.raises(ValueError, match=match):
        write_datalist(tmp_path / "lists" / "datalist.json", parts, "")
    assert not (tmp_path / "lists").exists()
