"""The commands; `recovery_errors` and `bias_variation` are asserted on in tests/preprocessing."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bundle.data.phantom import make_subject
from bundle.preprocessing import pipeline
from bundle.preprocessing.registration import Registration
from scripts.benchmark import registration
from scripts.benchmark.registration import main, mapped, random_affine


def test_mapped_is_itks_transform():
    transform = random_affine(np.random.default_rng(0))
    points = np.array([[1.0, 2.0, 3.0], [-40.0, 20.0, 10.0]])
    np.testing.assert_allclose(mapped(transform, points), [transform.TransformPoint(point) for point in points])


def test_round_trip(tmp_path, capsys, monkeypatch):
    found = Registration(random_affine(np.random.default_rng(1)), 0.5, 0.9)
    monkeypatch.setattr(pipeline, "register", lambda image, brain: found)
    subject = make_subject(5, 1, "tumour", spacing_mm=4.0)
    for end, array in {"flair": subject.image, "seg": subject.mask}.items():
        nib.save(nib.Nifti1Image(array, subject.affine), tmp_path / f"a_{end}.nii")
    main(["round_trip", str(tmp_path)])
    row = capsys.readouterr().out.splitlines()[-1].split("|")
    assert row[1].strip() == "a" and float(row[2]) > 0.95 and float(row[3]) > 0.9


def test_recovery(tmp_path, capsys, monkeypatch):
    """A registration that always answers identity is off by what the brain was moved."""
    here = Registration(sitk.AffineTransform(3), 0.5, 0.9)
    monkeypatch.setattr(registration, "register", lambda image, brain: here)
    subject = make_subject(5, 1, "healthy", spacing_mm=8.0)
    nib.save(nib.Nifti1Image(subject.image, subject.affine), tmp_path / "a.nii")
    main(["recovery", str(tmp_path / "a.nii"), "--count", "3"])
    printed = capsys.readouterr().out
    assert "at most 2 mm in 0 of 3" in printed and "unmoved brain: 0.00" in printed


def test_bias_and_speed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(registration, "bias_variation", lambda seed, spacing_mm: (0.2, 0.1, 3.0))
    main(["bias", "--count", "2"])
    assert capsys.readouterr().out.splitlines()[-1] == "| 1 | 0.200 | 0.100 | 3 |"
    monkeypatch.setattr(registration, "run", lambda subjects, *_, **__: ((subject.name, {}) for subject in subjects))
    main(["speed", str(tmp_path / "speed"), "--count", "1"])
    assert "2 workers: 1 subjects in" in capsys.readouterr().out


def test_no_path(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["recovery"])
    assert "recovery needs a PATH" in capsys.readouterr().err
