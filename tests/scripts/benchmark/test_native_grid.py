from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from bundle.data.phantom import make_subject
from bundle.preprocessing import Settings, list_subjects, pipeline, run
from bundle.preprocessing.registration import Registration
from scripts.benchmark.native_grid import SCORES, WAYS, dice, main


@pytest.fixture
def output_dir(tmp_path, monkeypatch):
    """One scan that lies on the model's grid already, so that there is no way back to go."""
    here = Registration(sitk.AffineTransform(3), mutual_information=0.5, overlap=0.9)
    monkeypatch.setattr(pipeline, "register", lambda image, brain: here)
    subject = make_subject(7, 1, "tumour", spacing_mm=2.0)
    (tmp_path / "raw").mkdir()
    for end, array in {"flair": subject.image, "seg": subject.mask}.items():
        nib.save(nib.Nifti1Image(array, subject.affine), tmp_path / "raw" / f"a_{end}.nii")
    prepared = tmp_path / "out" / "preprocessed"
    dict(run(list_subjects(tmp_path / "raw"), Settings(2.0, "none"), prepared, workers=1))
    return tmp_path / "out"


def test_all_ways_agree_where_nothing_moves(output_dir, tmp_path, capsys):
    assert main([str(output_dir), str(tmp_path / "raw")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scans"] == 1
    for score in SCORES:
        values = [found["dice"]["a"][score][way] for way in WAYS]
        np.testing.assert_allclose(values, values[0], atol=1e-3)
        assert values[0] > 0.4 and found["mean"][score]["map"] == values[0]


def test_no_masks(output_dir, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(output_dir), str(tmp_path)])
    assert f"{tmp_path}: there must be masks of the scans" in capsys.readouterr().err


def test_dice_by_hand():
    first, second = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert dice(first, second) == 0.5
