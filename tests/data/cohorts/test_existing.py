from __future__ import annotations

import json

import pytest

from bundle.data.cohorts.existing import read_datalist

HEALTHY = {"subject": "a", "image": "images/a.nii.gz", "label": 0, "condition": "control"}
PATIENT = {"subject": "b_2", "patient": "b", "image": "b.nii.gz", "label": 1, "condition": "ms", "mask": "m.nii.gz"}


def _write(folder, **sections):
    path = folder / "datalist.json"
    path.write_text(json.dumps(sections))
    return path


def test_sections_stay(tmp_path):
    source = _write(tmp_path, training=[HEALTHY, PATIENT], test=[{**PATIENT, "subject": "c", "patient": "c"}])
    healthy, patient, other = read_datalist(source)
    assert (healthy.condition, healthy.label, healthy.sections) == ("healthy", 0, ("training",))
    assert (patient.subject, patient.patient, patient.mask) == ("b_2", "b", tmp_path / "m.nii.gz")
    assert healthy.image == tmp_path / "images/a.nii.gz" and other.sections == ("test",)
    assert {scan.dataset for scan in (healthy, patient)} == {tmp_path.name}
    assert read_datalist(source, dataset="x")[0].subject == "x_a"


def test_bad_datalists(tmp_path):
    with pytest.raises(ValueError, match=r"datalist\.json: a: a condition of label 1 must not be 'healthy'"):
        read_datalist(_write(tmp_path, test=[{**HEALTHY, "label": 1, "condition": "healthy"}]))
    with pytest.raises(ValueError, match="'a' stands 2 times"):
        read_datalist(_write(tmp_path, test=[HEALTHY, HEALTHY]))
    with pytest.raises(FileNotFoundError, match=r"absent\.json: the datalist does not exist"):
        read_datalist(tmp_path / "absent.json")
