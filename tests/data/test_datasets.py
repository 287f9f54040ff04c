from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from monai.data import DataLoader, MetaTensor
from monai.transforms import Compose, NormalizeIntensityd, ToTensord

from bundle.data.datasets import BEYOND_COHORTS, PhantomDataset
from bundle.data.phantom import make_subject

SPACING_MM = 8.0


def test_items_are_the_subjects():
    dataset = PhantomDataset(spacing_mm=SPACING_MM, seed=4)
    for index, item in enumerate(islice(dataset, 4), start=BEYOND_COHORTS):
        expected = make_subject(4, index, item["condition"], spacing_mm=SPACING_MM)
        assert isinstance(item["image"], MetaTensor) and item["image"].dtype == torch.float32
        np.testing.assert_array_equal(item["image"][0].numpy(), expected.image)
        np.testing.assert_array_equal(item["mask"][0].numpy(), expected.mask)
        np.testing.assert_array_equal(item["image"].affine.numpy(), expected.affine)
        assert item["label"] == (item["condition"] != "healthy")
        assert item["subject"] == f"phantom-4-{index}"


def test_shares_are_kept():
    dataset = PhantomDataset(shares={"healthy": 2, "tumour": 1, "ms": 1}, spacing_mm=SPACING_MM)
    drawn = [dataset.condition(index) for index in range(2000)]
    assert drawn.count("healthy") / 2000 == pytest.approx(0.5, abs=0.04)  # standard deviation 0.011
    assert drawn.count("ms") / 2000 == pytest.approx(0.25, abs=0.04)
    healthy_only = PhantomDataset(shares={"healthy": 1, "ms": 0}, spacing_mm=SPACING_MM)
    assert {healthy_only.condition(index) for index in range(50)} == {"healthy"}


def test_works_with_monai_transforms_and_loader():
    transform = Compose([NormalizeIntensityd("image", nonzero=True), ToTensord("label")])
    dataset = PhantomDataset(spacing_mm=SPACING_MM, transform=transform)
    batch = next(iter(DataLoader(dataset, batch_size=3)))
    assert batch["image"].shape == batch["mask"].shape == (3, 1, 23, 28, 23)
    assert batch["label"].shape == (3,) and len(batch["subject"]) == 3
    brain = batch["image"][0][batch["image"][0] != 0]
    assert float(brain.mean()) == pytest.approx(0, abs=1e-4)
    assert float(brain.std(unbiased=False)) == pytest.approx(1, abs=1e-3)


def test_workers_share_the_subjects(monkeypatch):
    class Worker:
        num_workers = 2

        def __init__(self, number):
            self.id = number

    taken = []
    for number in range(2):
        monkeypatch.setattr("bundle.data.datasets.get_worker_info", lambda number=number: Worker(number))
        dataset = PhantomDataset(shares={"healthy": 1}, spacing_mm=SPACING_MM, first_index=10)
        taken.append([item["subject"] for item in islice(dataset, 3)])
    assert taken == [[f"phantom-0-{index}" for index in part] for part in ((10, 12, 14), (11, 13, 15))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"shares": {"healthy": -1}}, r"got \{'healthy': -1\}", id="negative_share"),
        pytest.param({"shares": {"healthy": 0}}, r"got \{'healthy': 0\}", id="no_share"),
        pytest.param({"shares": {"stroke": 1}}, "got 'stroke'", id="unknown_condition"),
        pytest.param({"spacing_mm": 0.2}, "got 0.2", id="spacing"),
        pytest.param({"scanner_signature": -1.0}, "got -1.0", id="signature"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PhantomDataset(**arguments)
