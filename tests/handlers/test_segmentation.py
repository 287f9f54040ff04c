from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from torch import nn

from bundle.anomaly import AnomalyMapd, AnomalyThresholdd
from bundle.handlers import AnomalySegmentationHandler, AttributionHandler


def test_masks_are_there_for_metrics():
    image = torch.tensor([[[-2.0, -1.0], [1.0, 2.0]]])
    network = nn.Identity()
    network.forward = lambda x: torch.cat([x, torch.zeros_like(x)], dim=1)
    transform = AnomalyThresholdd("attribution", 1.0)
    evaluator = SupervisedEvaluator(
        torch.device("cpu"),
        DataLoader(Dataset([{"image": image}]), batch_size=1),
        network,
        postprocessing=AnomalyMapd("attribution", brain_key="image"),
        val_handlers=[AttributionHandler(), AnomalySegmentationHandler(transform)],
    )
    evaluator.run()
    assert torch.as_tensor(evaluator.state.output[0]["attribution_mask"]).tolist() == [[[0, 0], [1, 1]]]


def test_batches_must_be_decollated():
    engine = SimpleNamespace(state=SimpleNamespace(batch={}, output={}))
    with pytest.raises(ValueError, match="type dict and dict"):
        AnomalySegmentationHandler(AnomalyThresholdd("attribution", 1.0))(engine)
