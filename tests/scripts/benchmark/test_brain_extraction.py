from __future__ import annotations

import sys

import nibabel as nib
import numpy as np

from bundle.data.phantom import make_subject
from scripts.benchmark.brain_extraction import main


def test_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "brainextractor", None)
    subject = make_subject(11, 3, "healthy", spacing_mm=4.0)
    nib.save(nib.Nifti1Image(subject.image, subject.affine), tmp_path / "own.nii")
    main(["--synthetic", "1", "--real", str(tmp_path / "own.nii"), "--methods", "morphology", "brainextractor"])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows[2:]] == [
        ["morphology", "synthetic 0 (healthy)"],
        ["brainextractor", "synthetic 0 (healthy)"],
        ["morphology", "own"],
        ["brainextractor", "own"],
    ]
    assert float(rows[2][2]) > 0.9 and float(rows[2][3]) < 10
    assert "brainextractor" in rows[3][2] and np.isfinite(float(rows[4][2]))
