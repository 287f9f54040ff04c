from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bundle.data.cohorts.description import describe_datalist, summarise
from bundle.data.cohorts.scan import Scan


def _write(folder, entries):
    (folder / "datalist.json").write_text(json.dumps({"test": entries}))
    return folder / "datalist.json"


def test_summary():
    def scan(subject, condition, dataset, patient=None, mask=None):
        return Scan(subject, patient or subject, Path("x.nii"), condition, mask, dataset)

    sections = {
        "training": [*(scan(name, "healthy", "kirby21", "p") for name in "ab"), scan("d", "ms", "MSSEG")],
        "validation": [],
        "test": [scan("c", "healthy", "kirby21"), scan("e", "ms", "MSSEG", mask=Path("m.nii"))],
    }
    first, second = summarise(sections)
    assert first == {"dataset": "MSSEG", "condition": "ms", "training": "1", "validation": "0", "test": "1", "masks": 1}
    assert (second["training"], second["test"], second["masks"]) == ("2 of 1 persons", "1", 0)


def test_datalist(make_volume, tmp_path):
    entries = [{"subject": name, "image": f"{name}.nii.gz", "label": 1} for name in "ab"]
    make_volume("a.nii.gz")
    make_volume("b.nii.gz", affine=np.diag([2.0, 1.0, 1.0, 1.0]))
    summary, sizes = describe_datalist(_write(tmp_path, entries))
    assert [(row["condition"], row["test"], row["training"]) for row in summary] == [("pathological", "2", "0")]
    assert [row["size"] for row in sizes] == ["6x7x5 voxels of 1x1x1 mm", "6x7x5 voxels of 2x1x1 mm"]


def test_every_bad_header_is_named(tmp_path):
    (tmp_path / "text.nii").write_text("not an image")
    path = _write(tmp_path, [{"subject": name, "image": f"{name}.nii", "label": 1} for name in ("text", "absent")])
    with pytest.raises(ValueError, match=r"text\.nii: not a readable NIfTI") as error:
        describe_datalist(path)
    assert "absent.nii: the file does not exist" in str(error.value)
