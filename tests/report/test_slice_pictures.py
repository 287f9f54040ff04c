from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bundle.handlers.report_slices import ReportPlane, ReportSlices
from bundle.report.slice_pictures import FALSE, FOUND, MISSED, OUTLINE, draw_panels, panel_titles, strip_jpeg
from bundle.report.subject_sections import PICTURES_BYTES, picture_size

BLACK, WHITE = [0, 0, 0], [255, 255, 255]


def rgb(colour):
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])


@pytest.fixture
def slices():
    """Forty by twenty pixels; brain in columns 0 to 9, lesion in rows 10 to 29, called in rows 0 to 19 of these."""
    brain = np.zeros((40, 20), dtype=bool)
    brain[:, :10] = True
    lesion, called = np.zeros_like(brain), np.zeros_like(brain)
    lesion[10:30, :10] = True
    called[:20, :10] = True
    attribution = np.zeros(brain.shape, dtype=np.float32)
    attribution[:10, :10], attribution[30:, :10] = 1.0, -1.0
    plane = ReportPlane(
        "axial",
        (3, 9),
        (1.0, 2.0),
        np.where(brain, 1.0, 0).astype(np.float32),
        attribution,
        brain,
        lesion,
        {"attribution": called, "other": called, "intensity": ~called & brain},
    )
    return ReportSlices("a", 0.0, True, (0.0, 2.0), 0.5, [plane])


def test_panels(slices):
    panels = draw_panels(slices, slices.planes[0], 40)  # pixels are twice as wide as high: the square is filled
    assert [panel.shape for panel in panels] == [(40, 40, 3)] * 4
    image, blend, own, baseline = panels
    assert image[5, 5].tolist() == [128] * 3 and image[5, 35].tolist() == BLACK
    assert image[9, 5].tolist() == rgb(OUTLINE).tolist() and image[10, 5].tolist() == [128] * 3
    red, blue = blend[3, 5].astype(int), blend[36, 5].astype(int)
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50 and blend[20, 5].min() > 240
    assert blend[20, 35].tolist() == BLACK and blend[9, 5].tolist() == BLACK

    def mixed(colour):
        return (0.35 * 0.8 * 127.5 + 0.65 * rgb(colour)).round().tolist()

    for panel, colours in ((own, (FALSE, FOUND, MISSED)), (baseline, (None, MISSED, FOUND))):
        for row, colour in zip((5, 15, 25), colours, strict=True):
            expected = [102] * 3 if colour is None else mixed(colour)
            assert np.abs(panel[row, 5] - np.array(expected)).max() <= 1


def test_titles(slices):
    assert panel_titles(slices) == [
        "image, true outline",
        "attribution map",
        "called: attribution",
        "called: intensity",
    ]


def test_constant_image_and_one_score(slices):
    plane = slices.planes[0]
    plane.called.pop("other")
    plane.called.pop("intensity")
    flat = ReportSlices("a", 0.0, False, (1.0, 1.0), 0.5, [plane])
    assert len(draw_panels(flat, plane, 30)) == 3 and panel_titles(flat)[0] == "image"


def test_strip_is_a_picture_of_all_panels(slices):
    picture = Image.open(io.BytesIO(strip_jpeg(slices, slices.planes[0], 40)))
    assert picture.format == "JPEG" and picture.size == (4 * 40 + 3 * 4, 40)
    assert np.asarray(picture)[20, 42].tolist() == pytest.approx(WHITE, abs=12)


@pytest.mark.parametrize(("subjects", "planes"), [(1, 4), (15, 4), (100, 4), (200, 2), (400, 1), (1000, 0)])
def test_pictures_of_many_subjects_get_smaller_then_fewer(subjects, planes):
    size = picture_size(subjects)
    assert size.planes == planes
    assert 0.34 * 4 * size.pixels**2 * size.planes * subjects <= PICTURES_BYTES
    assert (size.pixels > 0) == (planes > 0)
