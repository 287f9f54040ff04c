from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.stats import median_abs_deviation

from bundle.data import RobustNormalizeIntensityd


def normalise(image):
    return RobustNormalizeIntensityd("image")({"image": image})["image"]


@pytest.mark.parametrize("spatial", [(7, 9), (5, 7, 9)], ids=["2d", "3d"])
def test_brain_is_scaled_by_its_median_and_deviation(spatial):
    image = torch.rand(2, *spatial, generator=torch.Generator().manual_seed(0)) + 1.0
    image[:, :2] = 0.0
    result = normalise(image)
    for channel, expected in zip(result, image, strict=True):
        values = expected[expected != 0].numpy()  # an odd number of them, so that the median is one of them
        expected_values = (values - np.median(values)) / median_abs_deviation(values, scale="normal")
        torch.testing.assert_close(channel[expected != 0], torch.from_numpy(expected_values), check_dtype=False)
        assert (channel[expected == 0] == 0).all()


def test_bright_fifth_of_the_brain_leaves_the_rest_nearly_as_it_is():
    image = torch.linspace(90.0, 110.0, 1000).reshape(1, 10, 10, 10)
    lesion = image.clone()
    lesion[0, 8:] = 300.0
    healthy, patient = normalise(image)[0, :8], normalise(lesion)[0, :8]
    torch.testing.assert_close(patient, healthy, rtol=0.3, atol=0.5)
    assert normalise(lesion)[0, 8:].min() > 10 * healthy.max()


def test_constant_brain_becomes_zero_and_metadata_stay():
    image = MetaTensor(torch.full((1, 4, 4), 5.0), affine=2 * torch.eye(4), meta={"filename_or_obj": "a.nii"})
    result = normalise(image)
    assert (result == 0).all() and result.meta["filename_or_obj"] == "a.nii"
    torch.testing.assert_close(result.affine, image.affine)
    assert (image == 5.0).all()  # the input is left alone


def test_empty_image_stays_empty():
    assert (normalise(torch.zeros(1, 4, 4)) == 0).all()
