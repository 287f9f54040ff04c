"""Items as an engine leaves them after postprocessing, without a network."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor

from bundle.anomaly import AnomalyMapd, AnomalyThresholdd

AFFINE = torch.diag(torch.tensor([10.0, 10.0, 5.0, 1.0]))  # half a millilitre per voxel


def make_item(subject, condition, attribution, intensity, mask=None, logit=1.0):
    """Build one item from flat lists of eight voxels on a 2x2x2 grid; intensity 0 is outside the brain."""
    item = {
        "subject": subject,
        "condition": condition,
        "label": int(condition != "healthy"),
        "logit": torch.tensor([logit]),
        "attribution": MetaTensor(torch.tensor(attribution).reshape(1, 2, 2, 2), affine=AFFINE),
        "intensity": MetaTensor(torch.tensor(intensity).reshape(1, 2, 2, 2), affine=AFFINE),
    }
    if mask is not None:
        item["mask"] = MetaTensor(torch.tensor(mask).reshape(1, 2, 2, 2), affine=AFFINE)
    item = AnomalyMapd(["attribution", "intensity"])(item)
    return AnomalyThresholdd(["attribution", "intensity"], threshold=[0.5, 2.0])(item)


def make_items():
    """Two annotated patients, one without a mask, and a healthy subject; the last voxel is outside every brain."""
    first = [0.9, 0.8, -0.3, -0.4, 0.6, -0.1, -0.2, 9.0]
    second = [-0.5, 0.7, 0.4, -0.9, -0.8, -0.7, -0.6, 9.0]
    bright = [3.0, 1.0, 2.5, -1.0, -2.0, 0.5, -0.5, 0.0]
    return [
        make_item("a", "ms", first, bright, [1, 1, 0, 0, 0, 0, 0, 1], logit=2.0),
        make_item("b", "ms", second, bright, [0, 1, 1, 0, 0, 0, 0, 0], logit=-1.0),
        make_item("c", "tumour", first, bright),
        make_item("d", "healthy", second, bright, logit=-3.0),
    ]


@pytest.fixture
def items():
    return make_items()


@pytest.fixture(scope="session")
def five_items():
    """The four items and another healthy subject."""
    items = make_items()
    return [*items, {**items[3], "subject": "e", "logit": torch.tensor([-2.0])}]


@pytest.fixture
def feed():
    """Run a handler over items as an evaluator does."""

    def run(handler, items):
        engine = SimpleNamespace(state=SimpleNamespace(batch=None, output=None, iteration=len(items)))
        handler.started(engine)
        for item in items:
            engine.state.batch, engine.state.output = [{"mask": item["mask"]} if "mask" in item else {}], [item]
            handler(engine)
        handler.completed(engine)

    return run
