"""Folder trees and small volumes in the layouts of real data sets."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (6, 7, 5)


@pytest.fixture
def make_tree(tmp_path):
    """Return a function that makes empty files; readers look at names only."""

    def make_tree(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make_tree


@pytest.fixture
def make_volume(tmp_path):
    """Return a function that writes a NIfTI file: noise of a seed, or an array."""

    def make_volume(name, content=0, affine=None) -> Path:
        array = np.random.default_rng(content).random(SHAPE, np.float32) if isinstance(content, int) else content
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return path

    return make_volume
