from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from bundle.metrics import LesionDetection, detection_by_volume

AFFINE = torch.diag(torch.tensor([10.0, 10.0, 10.0, 1.0]))  # one millilitre a voxel


def masks_3d() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw three lesions of 8, 2 and 1 voxels and three marked components, one of them false."""
    mask, prediction = torch.zeros(1, 9, 9, 9), torch.zeros(1, 9, 9, 9)
    mask[0, 0:2, 0:2, 0:2] = 1  # 8 voxels, 2 of them marked
    mask[0, 4, 4, 4] = mask[0, 5, 5, 5] = 1  # 2 voxels that share a corner, not marked
    mask[0, 8, 0, 0] = 1  # 1 voxel, marked by a component of 4
    prediction[0, 0, 0, 0:2] = 1
    prediction[0, 8, 0, 0:4] = 1
    prediction[0, 0:3, 8, 8] = 1  # false
    return prediction, mask


def test_components_worked_out_by_hand():
    image = LesionDetection.from_masks(*masks_3d(), AFFINE)
    found = dict(zip(image.lesion_ml.tolist(), image.covered.tolist(), strict=True))
    assert found == pytest.approx({8.0: 0.25, 2.0: 0.0, 1.0: 1.0})
    assert image.false_positive_ml.tolist() == pytest.approx([3.0])


@pytest.mark.parametrize(
    ("min_overlap", "detected"), [(0.0, 2), (0.1, 2), (0.25, 2), (0.26, 1), (1.0, 1)], ids=lambda value: str(value)
)
def test_detected_at_or_above_the_overlap(min_overlap, detected):
    image = LesionDetection.from_masks(*masks_3d(), AFFINE)
    every = detection_by_volume([image], min_overlap=min_overlap)[-1]
    assert (every.lesions, every.detected) == (3, detected)
    assert every.sensitivity == pytest.approx(detected / 3)


def test_volume_classes_over_two_images():
    image = LesionDetection.from_masks(*masks_3d(), AFFINE)
    clean = LesionDetection.from_masks(torch.zeros(1, 4, 4, 4), torch.zeros(1, 4, 4, 4), AFFINE)
    small, middle, large, every = detection_by_volume([image, clean], limits_ml=[2.0, 8.0])
    assert (small.lower_ml, small.upper_ml, small.lesions, small.detected) == (0.0, 2.0, 1, 1)
    assert (middle.lesions, middle.sensitivity, middle.false_positives_per_image) == (1, 0.0, 0.5)
    assert (large.lower_ml, large.upper_ml, large.lesions, large.sensitivity) == (8.0, math.inf, 1, 1.0)
    assert (every.lower_ml, every.upper_ml, every.lesions, every.false_positives_per_image) == (0.0, math.inf, 3, 0.5)


def test_default_classes():
    classes = detection_by_volume([LesionDetection(np.array([0.05, 0.1, 5.0, 10.0]), np.ones(4), np.array([0.02]))])
    assert [part.lesions for part in classes] == [1, 1, 1, 1, 4]
    assert [part.false_positives_per_image for part in classes] == [1, 0, 0, 0, 1]


def test_two_dimensions():
    mask = torch.tensor([[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]])
    prediction = torch.tensor([[[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]])
    affine = torch.diag(torch.tensor([2.0, 5.0, 1.0]))  # 10 mm2, 1 mm thick
    image = LesionDetection.from_masks(MetaTensor(prediction), mask, affine)
    found = sorted(zip(image.lesion_ml.tolist(), image.covered.tolist(), strict=True))
    np.testing.assert_allclose(found, [(0.01, 0.0), (0.01, 1.0), (0.02, 0.5)])
    assert image.false_positive_ml.tolist() == pytest.approx([0.01])


@pytest.mark.parametrize(
    ("prediction", "mask", "lesions", "false"), [(0, 0, 0, 0), (1, 0, 0, 1), (0, 1, 1, 0), (1, 1, 1, 0)]
)
def test_empty_and_full_masks(prediction, mask, lesions, false):
    shape = (1, 3, 4, 5)
    image = LesionDetection.from_masks(torch.full(shape, prediction), torch.full(shape, mask), AFFINE)
    every = detection_by_volume([image])[-1]
    assert (every.lesions, every.false_positives_per_image) == (lesions, false)
    assert every.sensitivity == pytest.approx(float(prediction) if lesions else math.nan, nan_ok=True)


@pytest.mark.parametrize("shape", [(12, 13), (8, 9, 7)], ids=["2d", "3d"])
def test_random_masks_component_by_component(shape):
    random = np.random.default_rng(5)
    mask, prediction = random.random(shape) < 0.1, random.random(shape) < 0.08
    corners = np.ones((3,) * len(shape))
    lesions, components = ndimage.label(mask, corners), ndimage.label(prediction, corners)
    covered = [prediction[lesions[0] == index].mean() for index in range(1, lesions[1] + 1)]
    false = [
        (components[0] == index).sum()
        for index in range(1, components[1] + 1)
        if not mask[components[0] == index].any()
    ]
    affine = torch.diag(torch.tensor([10.0] * len(shape) + [1.0]))
    image = LesionDetection.from_masks(*(torch.from_numpy(part)[None] for part in (prediction, mask)), affine)
    voxel_ml = 1.0 if len(shape) == 3 else 0.1
    assert image.covered.tolist() == pytest.approx(covered)
    assert image.lesion_ml.sum() == pytest.approx(mask.sum() * voxel_ml)
    assert image.false_positive_ml.tolist() == pytest.approx([size * voxel_ml for size in false])


@pytest.mark.parametrize(
    ("shape", "other", "match"),
    [
        pytest.param((1, 2, 3), (1, 3, 2), r"got \(1, 2, 3\) and \(1, 3, 2\)", id="differ"),
        pytest.param((2, 2, 3), (2, 2, 3), r"got \(2, 2, 3\)", id="channels"),
        pytest.param((1, 4), (1, 4), r"got \(1, 4\)", id="axes"),
    ],
)
def test_wrong_shapes(shape, other, match):
    with pytest.raises(ValueError, match=match):
        LesionDetection.from_masks(torch.zeros(shape), torch.zeros(other), AFFINE)


@pytest.mark.parametrize(
    ("images", "arguments", "match"),
    [
        pytest.param(0, {}, "at least one image, got 0", id="no_image"),
        pytest.param(1, {"min_overlap": 1.5}, r"\[0, 1\], got 1.5", id="overlap"),
        pytest.param(1, {"limits_ml": [1.0, 1.0]}, r"got \[1.0, 1.0\]", id="not_rising"),
        pytest.param(1, {"limits_ml": [0.0, 1.0]}, r"from above 0, got \[0.0, 1.0\]", id="zero"),
    ],
)
def test_wrong_classes(images, arguments, match):
    image = LesionDetection(np.ones(1), np.ones(1), np.ones(0))
    with pytest.raises(ValueError, match=match):
        detection_by_volume([image] * images, **arguments)
