from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.anomaly import OUTSIDE_BRAIN
from bundle.handlers.report_slices import SaveReportSlicesHandler, load_report_slices, slices_file

AFFINE = torch.diag(torch.tensor([-1.0, 2.0, 3.0, 1.0]))  # the first axis runs to the left


def make_item(lesion=True, called=True, shape=(6, 8, 10)):
    """A brain that fills all but the border of the grid, with a lesion of two voxels and a false component."""
    axes = len(shape)
    brain = np.zeros(shape, dtype=bool)
    brain[(slice(1, -1),) * axes] = True
    grid = np.arange(brain.size, dtype=np.float32).reshape(shape)
    mask, wrong = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    mask[(2, slice(3, 5), 4)[:axes]] = 1
    wrong[(4, slice(2, 5), 7)[:axes]] = 1

    def tensor(array):
        return MetaTensor(torch.tensor(array)[None], affine=AFFINE)

    item = {
        "subject": "a",
        "label": int(lesion),
        "condition": "ms",
        "logit": torch.tensor([1.5]),
        "intensity": tensor(np.where(brain, grid, 0).astype(np.float32)),
        "attribution_map": tensor(np.where(brain, 1e-6 * grid, OUTSIDE_BRAIN).astype(np.float32)),
        "attribution_mask": tensor(wrong * called),
        "intensity_mask": tensor(mask),
    }
    return {**item, "mask": tensor(mask)} if lesion else item


def save(folder, *items):
    handler = SaveReportSlicesHandler(folder)
    handler.started(None)
    for item in items:
        handler(SimpleNamespace(state=SimpleNamespace(batch=[item], output=[{}])))
    return [load_report_slices(slices_file(folder, place)) for place in range(1, len(items) + 1)]


def test_slices_with_the_most_lesion_and_the_most_false_voxels(tmp_path):
    (slices,) = save(tmp_path, make_item())
    assert (slices.subject, slices.logit, slices.annotated) == ("a", 1.5, True)
    assert [plane.name for plane in slices.planes] == ["axial", "coronal", "sagittal", "axial, most false voxels"]
    places = [plane.place for plane in slices.planes]
    assert places == [(5, 10), (4, 8), (4, 6), (8, 10)]  # sagittal: index 2 of 6 from the left is 3 from the right
    axial, _, sagittal, false = slices.planes
    assert axial.spacing_mm == (2.0, 1.0) and sagittal.spacing_mm == (3.0, 2.0)
    assert axial.image.shape == (8, 6)  # the brain's box and two voxels around it, as far as the grid goes
    rows, columns = np.nonzero(axial.lesion)  # from the top: the second axis backwards; from the left: the first
    assert sorted(rows.tolist()) == [7 - 4, 7 - 3] and set(columns.tolist()) == {5 - 2}
    assert not axial.called["attribution"].any() and false.called["attribution"].sum() == 3
    np.testing.assert_array_equal(axial.called["intensity"], axial.lesion)


def test_values(tmp_path):
    item = make_item()
    (slices,) = save(tmp_path, item)
    plane = slices.planes[0]
    expected = item["attribution_map"].numpy()[0, ::-1, :, 4].T[::-1]
    inside = expected > OUTSIDE_BRAIN
    np.testing.assert_array_equal(plane.brain, inside)
    everywhere = item["attribution_map"].numpy()
    assert slices.limit == pytest.approx(np.percentile(np.abs(everywhere[everywhere > OUTSIDE_BRAIN]), 99.5))
    wanted = np.clip(np.where(inside, expected, 0) / slices.limit, -1, 1)
    np.testing.assert_allclose(plane.attribution, wanted, atol=1e-3)
    np.testing.assert_allclose(plane.image, np.where(inside, item["intensity"].numpy()[0, ::-1, :, 4].T[::-1], 0))


def test_healthy_subjects_show_what_was_called_or_the_highest_score(tmp_path):
    called, nothing = save(tmp_path, make_item(lesion=False), make_item(lesion=False, called=False))
    assert [plane.place[0] for plane in called.planes] == [8, 3, 2] and not called.annotated
    assert [plane.place[0] for plane in nothing.planes] == [9, 7, 2]  # the last voxel of the brain has the highest
    assert not any(plane.lesion.any() for plane in called.planes)


def test_slice_of_two_axes(tmp_path):
    (slices,) = save(tmp_path, make_item(shape=(6, 8)))
    (plane,) = slices.planes
    assert plane.name == "axial" and plane.place == (1, 1) and plane.image.shape == (8, 6) and plane.lesion.sum() == 2


def test_a_new_run_starts_from_the_first_file(tmp_path):
    handler = SaveReportSlicesHandler(tmp_path)
    for _ in range(2):
        handler.started(None)
        handler(SimpleNamespace(state=SimpleNamespace(batch=[make_item()], output=[{}])))
    assert [path.name for path in tmp_path.iterdir()] == ["0001.npz"]


def test_broken_files(tmp_path):
    save(tmp_path, make_item())
    path = tmp_path / "0001.npz"
    content = dict(np.load(path))
    np.savez(path, **{**content, "lesion_1": content["lesion_1"][1:]})
    with pytest.raises(ValueError, match=r"0001\.npz: image, map and masks of a slice must share one shape, got \[\("):
        load_report_slices(path)
    wrong = content["image_0"].copy()
    wrong[0, :2] = np.inf
    np.savez(path, **{**content, "image_0": wrong})
    with pytest.raises(ValueError, match="the image must be finite, got 2 NaN or infinite"):
        load_report_slices(path)
    content.pop("limit")
    np.savez(path, **content)
    with pytest.raises(ValueError, match="must hold a subject's slices, got KeyError"):
        load_report_slices(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="must hold a subject's slices"):
        load_report_slices(path)


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(file, **content):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, make_item())
    assert list(tmp_path.iterdir()) == []
