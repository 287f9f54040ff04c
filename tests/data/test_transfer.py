from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.data.records import load_datalist
from bundle.data.transfer import TRANSFER, transfer_datalist


def entry(subject, label):
    return {"subject": subject, "image": f"images/{subject}.nii.gz", "label": label}


@pytest.fixture
def write(tmp_path):
    def write_sections(folder, **sections):
        path = tmp_path / folder / "datalist.json"
        path.parent.mkdir()
        path.write_text(
            json.dumps(
                {
                    name: [entry(subject, number % 2) for number, subject in enumerate(names)]
                    for name, names in sections.items()
                }
            )
        )
        return path

    return write_sections


def test_sections_and_paths(tmp_path, write):
    trained = write("a", training=["t1", "t2"], validation=["v", "w"], test=["unused"])
    tested = write("b", training=["also unused", "too"], test=["x"])
    path = tested.with_name(TRANSFER)
    path.write_text(json.dumps(transfer_datalist(trained, tested, path.parent)))
    images = [Path(item["image"]).resolve() for item in load_datalist(path, "training")]
    assert images == [tmp_path / "a" / "images" / f"{name}.nii.gz" for name in ("t1", "t2")]
    assert [item["subject"] for item in load_datalist(path, "validation")] == ["v", "w"]
    (test,) = load_datalist(path, "test")
    assert Path(test["image"]).resolve() == tmp_path / "b" / "images" / "x.nii.gz"


def test_missing_section(tmp_path, write):
    trained, tested = write("a", training=["t", "u"], validation=["v", "w"]), write("b", training=["x", "y"])
    with pytest.raises(ValueError, match=r"b/datalist\.json: the section 'test' must have entries"):
        transfer_datalist(trained, tested, tmp_path)
    with pytest.raises(ValueError, match=r"b/datalist\.json: the section 'validation' must have entries"):
        transfer_datalist(tested, write("c", test=["z"]), tmp_path)


def test_one_subject_in_both(tmp_path, write):
    trained, tested = write("a", training=["t", "u"], validation=["v", "w"]), write("b", test=["v"])
    with pytest.raises(ValueError, match=r"must not stand in .*a/datalist\.json, got v"):
        transfer_datalist(trained, tested, tmp_path)
