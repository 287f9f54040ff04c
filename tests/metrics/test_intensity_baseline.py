from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from bundle.metrics.intensity_baseline import intensity_baseline

CONDITIONS = ["healthy", "tumour", "tumour", "ms"]


@pytest.fixture
def cohort(tmp_path):
    """Four random volumes; brightness differs by subject, so that only z-scores can be pooled."""
    rng = np.random.default_rng(0)
    entries, volumes = [], []
    for index, condition in enumerate(CONDITIONS):
        image = rng.integers(1, 1000, (6, 7, 8)) * 10**index
        image[:, 0] = 0  # outside the brain
        mask = (rng.random((6, 7, 8)) < 0.1) & (image > 0) & (condition != "healthy")
        nib.save(nib.Nifti1Image(image.astype(np.float32), np.eye(4)), tmp_path / f"{index}.nii.gz")
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)), tmp_path / f"{index}_mask.nii.gz")
        entries.append(
            {
                "subject": str(index),
                "image": f"{index}.nii.gz",
                "mask": f"{index}_mask.nii.gz",
                "label": int(condition != "healthy"),
                "condition": condition,
            }
        )
        volumes.append((image, mask))
    path = tmp_path / "datalist.json"
    path.write_text(json.dumps({"test": entries}))
    return path, volumes


def _expected(volumes):
    scores = []
    for image, _ in volumes:
        brain = image > 0
        # the whole volume, with the outside below every voxel of the brain
        scores.append(np.where(brain, (image - image[brain].mean()) / image[brain].std(), -100).ravel())
    return average_precision_score(np.concatenate([mask.ravel() for _, mask in volumes]), np.concatenate(scores))


def test_is_scikit_learns_over_whole_volumes(cohort):
    path, volumes = cohort
    assert intensity_baseline(path) == pytest.approx(
        {"all": _expected(volumes[1:]), "tumour": _expected(volumes[1:3]), "ms": _expected(volumes[3:])}, abs=1e-6
    )


def test_without_pathological_subjects(cohort):
    path, _ = cohort
    with_healthy_only = path.with_name("healthy.json")
    datalist = json.loads(path.read_text())
    with_healthy_only.write_text(json.dumps({"test": datalist["test"][:1]}))
    assert intensity_baseline(with_healthy_only) == {}
