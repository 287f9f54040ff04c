"""The sample of the demo: a volume, its mask on the same grid, the same on every machine."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from scripts import make_sample


def _run(folder, *arguments):
    make_sample.main(["--output_dir", str(folder), "--spacing_mm", "6", *arguments])
    (image,), (mask,) = (sorted((folder / kind).iterdir()) for kind in ("images", "masks"))
    return nib.load(image), nib.load(mask)


def test_writes_a_volume_and_its_mask(tmp_path, capsys):
    image, mask = _run(tmp_path)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    assert image.header.get_zooms() == (6.0, 6.0, 6.0)
    assert image.shape == mask.shape
    np.testing.assert_array_equal(image.affine, mask.affine)
    lesion = mask.get_fdata() > 0
    assert set(np.unique(mask.get_fdata())) == {0.0, 1.0}
    assert (image.get_fdata()[lesion] > 0).mean() > 0.9  # lesions lie in the brain
    assert f"lesion volume {lesion.sum() * 6.0**3 / 1000:.1f} ml" in capsys.readouterr().out


def test_is_the_same_every_time(tmp_path):
    first, second = (_run(tmp_path / name)[0].get_fdata() for name in ("first", "second"))
    np.testing.assert_array_equal(first, second)


def test_healthy_sample_has_an_empty_mask(tmp_path):
    _, mask = _run(tmp_path, "--condition", "healthy")
    assert mask.get_fdata().max() == 0


def test_unknown_condition_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        _run(tmp_path, "--condition", "stroke")
    assert "invalid choice: 'stroke'" in capsys.readouterr().err
