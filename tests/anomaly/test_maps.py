from __future__ import annotations

import math

import pytest
import torch

from bundle.anomaly import OUTSIDE_BRAIN, AnomalyMapd, SplitPredictiond, WeightByInputd, anomaly_map
from bundle.conventions import join_prediction


@pytest.mark.parametrize("spatial", [(4, 5), (3, 4, 5)], ids=["2d", "3d"])
def test_keeps_scores_inside_the_brain_only(spatial):
    score = torch.randn(1, *spatial)
    brain = torch.zeros(1, *spatial)
    brain[:, 1:3] = torch.randn(1, 2, *spatial[1:])
    result = anomaly_map(score, brain)
    assert result.dtype == torch.float32 and result.shape == score.shape
    torch.testing.assert_close(result[:, 1:3], score[:, 1:3])
    outside = torch.cat([result[:, :1], result[:, 3:]], dim=1)
    assert bool((outside == OUTSIDE_BRAIN).all()) and math.isfinite(OUTSIDE_BRAIN)
    assert OUTSIDE_BRAIN < -1e38


def test_channels_are_joined_by_their_highest_score_and_any_channel_makes_brain():
    score = torch.tensor([[[1.0, -2.0, 5.0]], [[0.0, 3.0, 6.0]]])
    brain = torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 2.0, 0.0]]])
    torch.testing.assert_close(anomaly_map(score, brain), torch.tensor([[[1.0, 3.0, OUTSIDE_BRAIN]]]))


def test_grids_must_agree():
    with pytest.raises(ValueError, match=r"got \(4, 4\) and \(4, 5\)"):
        anomaly_map(torch.zeros(1, 4, 4), torch.zeros(1, 4, 5))


def test_transforms_add_keys_and_leave_the_rest():
    attribution = torch.randn(1, 3, 4, 5)
    pred = join_prediction(attribution[None], torch.tensor([[-1.5]]))[0]
    brain = torch.ones(1, 3, 4, 5)
    item = AnomalyMapd(["attribution", "intensity"])(SplitPredictiond()({"pred": pred, "intensity": brain}))
    assert set(item) == {"pred", "attribution", "logit", "intensity", "attribution_map", "intensity_map"}
    torch.testing.assert_close(item["attribution_map"], attribution)
    torch.testing.assert_close(item["logit"], torch.tensor([-1.5]))


def test_missing_scores_can_be_skipped():
    item = {"intensity": torch.ones(1, 2, 2)}
    assert "attribution_map" not in AnomalyMapd("attribution", allow_missing_keys=True)(item)
    with pytest.raises(KeyError, match="attribution"):
        AnomalyMapd("attribution")(item)


def test_one_prediction_per_split():
    with pytest.raises(ValueError, match=r"got \['pred', 'other'\]"):
        SplitPredictiond(["pred", "other"])


def test_weight_by_input_is_zero_in_dark_voxels_and_the_product_in_bright_ones():
    item = {"attribution": torch.tensor([[[2.0, -3.0, 5.0]]]), "intensity": torch.tensor([[[0.5, 2.0, -1.0]]])}
    result = WeightByInputd("attribution")(item)
    assert torch.equal(result["input_weighted"], torch.tensor([[[1.0, -6.0, 0.0]]]))
    assert torch.equal(result["attribution"], item["attribution"])


def test_weight_by_input_takes_one_map():
    with pytest.raises(ValueError, match=r"\['a', 'b'\]"):
        WeightByInputd(["a", "b"])
