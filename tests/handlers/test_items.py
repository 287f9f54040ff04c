from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bundle.handlers import BrainVoxels, check_annotated
from bundle.handlers.items import check_brain_volume, decollated_items
from bundle.metrics import RankingCurve, ranking_values


def test_brain_voxels_of_an_item(items):
    voxels = BrainVoxels.from_item(items[0], ["attribution", "intensity"])
    assert voxels.scores["attribution"].tolist() == pytest.approx([0.9, 0.8, -0.3, -0.4, 0.6, -0.1, -0.2])
    assert voxels.lesion.tolist() == [True, True] + [False] * 5
    assert (voxels.outside_lesion, voxels.outside_healthy) == (1, 0)
    assert type(voxels.lesion) is type(voxels.scores["intensity"]) is torch.Tensor
    other = BrainVoxels.from_item(items[3], ["attribution", "intensity"])
    assert len(voxels.lesion) + len(other.lesion) == 14
    assert voxels.outside_lesion + other.outside_lesion == voxels.outside_healthy + other.outside_healthy == 1


def test_pooled_subjects_rank_like_joined_voxels(items):
    parts = [BrainVoxels.from_item(item, ["attribution", "intensity"]) for item in items[:2]]
    for name in ("attribution", "intensity"):
        apart = RankingCurve.pooled([part.sorted_voxels(name) for part in parts])
        lesion = torch.cat([part.lesion for part in parts])
        joined = RankingCurve.from_scores(torch.cat([part.scores[name] for part in parts]), lesion)
        assert ranking_values(apart) == ranking_values(joined)
        assert (apart.positives, apart.negatives) == (joined.positives, joined.negatives) == (4, 10)


def test_a_score_that_is_no_number_is_not_taken_for_background(items):
    items[0]["attribution_map"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="scores must be finite, got 1 NaN"):
        BrainVoxels.from_item(items[0], ["attribution"]).curve("attribution")


def test_grids_must_agree(items):
    items[0]["mask"] = torch.ones(1, 2, 2, 3)
    with pytest.raises(ValueError, match=r"subject a: .*got \(1, 2, 2, 3\) and \(1, 2, 2, 2\)"):
        BrainVoxels.from_item(items[0], ["attribution"])


def test_an_image_needs_a_brain(items):
    items[0]["attribution_map"].fill_(torch.finfo(torch.float32).min)
    with pytest.raises(ValueError, match="subject a: the image has no brain voxel"):
        BrainVoxels.from_item(items[0], ["attribution"])


def test_batches_must_be_decollated():
    with pytest.raises(ValueError, match=r"type dict and list\. Set decollate=True"):
        decollated_items(SimpleNamespace(state=SimpleNamespace(batch={}, output=[])))


def test_sections_need_annotated_patients():
    patient, healthy = {"label": 1, "mask": "m.nii.gz"}, {"label": 0, "mask": "z.nii.gz"}
    assert check_annotated({"evaluation": [patient, healthy], "calibration": None}) == [patient, healthy]
    with pytest.raises(ValueError, match=r"calibration needs .* got 0 masks for 1 pathological of 2 subjects"):
        check_annotated({"evaluation": [patient], "calibration": [healthy, {"label": 1}]})


def test_an_image_with_skull_is_reported(caplog):
    check_brain_volume("a", 1900.0)
    assert not caplog.records
    check_brain_volume("b", 5532.9)
    assert "b: 5533 ml of the image are not zero" in caplog.text
