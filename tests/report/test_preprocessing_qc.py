from __future__ import annotations

import json
import re

import numpy as np
import pytest

from bundle.report.preprocessing_qc import page, robust_z, write_qc_page


def record(score, overlap=0.95, **other):
    parameters = {"spacing_mm": 2.0, "brain_extraction": "none", "n4": False, "normalise": False}
    found = {"mutual_information": score, "brain_overlap": overlap, "brain_ml": 1500.0, "seconds_total": 9.0}
    return {"status": "done", "parameters": parameters, **found, **other}


def test_robust_z():
    assert robust_z([1, 2, 3, 4, 100]) == pytest.approx((np.array([1, 2, 3, 4, 100]) - 3) / 1.4826)
    assert robust_z([1, 1, 1, 1, 5]) == [None] * 5
    assert robust_z([1, 2, 3]) == [None] * 3


def test_worst_first_and_flagged():
    scores = np.linspace(0.45, 0.55, 11)
    records = {
        f"sub-{index:02d}": record(float(score), overlap=0.95 + 0.001 * index) for index, score in enumerate(scores)
    }
    records |= {"low": record(0.1), "small": record(0.5, overlap=0.6)}
    records["gone"] = {"status": "failed", "reason": "gone.nii: the file <does> not exist"}
    html = page(records)
    order = re.findall(r'<h3 id="([\w-]+)">', html)
    assert order[:2] == ["low", "sub-00"] and len(order) == 13
    assert re.findall(r"flagged: (\w+)", html) == ["score", "overlap"]
    assert "<b>13</b><span>done</span>" in html and "<b>2</b><span>flagged</span>" in html
    assert "the file &lt;does&gt; not exist" in html
    assert "http" not in html.replace('http-equiv="Content-Security-Policy"', "") and "<script" not in html


def test_rows_of_the_picture_are_explained():
    assert "before bias correction" not in page({"a": record(0.5)})
    assert "before bias correction" in page({"a": record(0.5) | {"parameters": {"n4": True}}})


def test_from_files(tmp_path):
    (tmp_path / "provenance").mkdir()
    (tmp_path / "provenance" / "a.json").write_text(json.dumps(record(0.5)))
    assert 'src="a.png"' in write_qc_page(tmp_path, ["a"]).read_text()
    assert (tmp_path / "qc" / "index.html").is_file()
    with pytest.raises(FileNotFoundError, match=r"b\.json: the subject has no record"):
        write_qc_page(tmp_path, ["b"])
