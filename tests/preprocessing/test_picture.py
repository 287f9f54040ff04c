from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bundle.preprocessing import Settings, list_subjects, preprocess
from bundle.preprocessing.picture import LESION, SUBJECT, TEMPLATE, draw_picture


def pixels(picture, colour):
    rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return np.all(picture == rgb, axis=-1)


@pytest.mark.parametrize(("n4", "rows"), [(False, 3), (True, 5)])
def test_rows_and_outlines(tmp_path, folder, no_search, n4, rows):
    result = preprocess(list_subjects(folder)[0], Settings(2.0, "none"))
    draw_picture(tmp_path / "a.png", result, Settings(2.0, "none", n4=n4))
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (rows * 150, 6 * 150, 3)
    first, second, third = (picture[150 * row : 150 * row + 150] for row in range(3))
    assert pixels(first, TEMPLATE).sum() > 1000 and pixels(first, LESION).any()
    assert pixels(second, SUBJECT).sum() > 1000 and pixels(third, SUBJECT).sum() > 1000
    assert not pixels(second, TEMPLATE).any()
