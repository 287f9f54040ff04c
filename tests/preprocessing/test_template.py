from __future__ import annotations

import numpy as np

from bundle.preprocessing.geometry import sitk_affine, sitk_array
from bundle.preprocessing.template import load_template


def test_brain():
    template = load_template(2)
    image, brain = sitk_array(template.image), sitk_array(template.brain) > 0
    assert 1850 < brain.sum() * 8 / 1000 < 1920  # nilearn's mask at 1 mm has 1883 ml
    np.testing.assert_allclose(sitk_affine(template.image)[:3, 3], (-98, -134, -72))
    assert image[~brain].mean() < 0.02 * image[brain].mean()


def test_symmetric_and_t1_weighted():
    image = sitk_array(load_template(2).image)
    np.testing.assert_allclose(image, image[::-1], atol=0.05)  # the symmetric template: x runs from -98 to 98 mm
    white, ventricle = image[49 + 12, 67 + 6, 36 + 15], image[49 + 2, 67 + 5, 36 + 7]
    assert white > 2 * ventricle
