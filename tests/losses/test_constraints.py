from __future__ import annotations

import math
import pickle

import pytest
import torch

from bundle.losses.constraints import CONSTRAINTS, RELATIVE, make_constraint
from tests.oracles import paper_equations as oracle

LABELS = torch.tensor([0, 1, 0])


@pytest.fixture
def batch():
    """Maps and targets of a healthy image, a patient without and a healthy image with a map of zeros."""
    attribution = torch.randn(3, 1, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lesion_map = torch.zeros_like(attribution)
    lesion_map[1] = torch.nan
    return attribution, {"label": LABELS, "mask": lesion_map}


def expected_value(name, attribution, targets):
    attribution, lesion_map = attribution.numpy(), targets["mask"].numpy()
    return {
        "unsupervised": lambda: oracle.unsupervised(attribution, LABELS),
        "supervised": lambda: oracle.supervised(attribution, lesion_map),
        "ross": lambda: oracle.ross(attribution, LABELS),
        "total_variation": lambda: oracle.total_variation(attribution, standardise=True),
    }[name]()


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_name_stands_for_its_formula(name, batch):
    constraint = pickle.loads(pickle.dumps(make_constraint(name)))  # as a process of a multi-GPU training receives it
    assert math.isclose(constraint(*batch).item(), expected_value(name, *batch), rel_tol=1e-12)


def test_plain_total_variation(batch):
    expected = oracle.total_variation(batch[0].numpy(), standardise=False)
    value = make_constraint("total_variation", standardise=False)(*batch)
    assert math.isclose(value.item(), expected, rel_tol=1e-12)


@pytest.mark.parametrize("sharpness", [None, 8.0], ids=["paper", "relative"])
def test_supervised_without_annotated_patients_is_unsupervised(batch, sharpness):
    values = [make_constraint(name, sharpness=sharpness)(*batch).item() for name in RELATIVE]
    assert math.isclose(*values, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"name": "some"}, "unsupervised, supervised, ross, total_variation, got 'some'", id="name"),
        pytest.param({"name": "unsupervised", "sharpness": -1.0}, "got -1.0", id="sharpness"),
        pytest.param({"name": "ross", "sharpness": 8.0}, "None for 'ross', .* got 8.0", id="ross"),
        pytest.param({"name": "total_variation", "sharpness": 2.0}, "'total_variation', .* got 2.0", id="variation"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_constraint(**arguments)
