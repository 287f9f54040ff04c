from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from monai.data import MetaTensor, list_data_collate

from bundle.data.batches import PrepareAnnotatedBatch, PrepareHealthyAttribution, PrepareLabelledBatch, keep_annotations
from bundle.data.transforms import FillMissingMaskd

PATIENTS = [{"subject": f"p{n}", "label": 1, "mask": f"p{n}.nii"} for n in range(8)]
OTHERS = [{"subject": "h0", "label": 0, "mask": "h0.nii"}, {"subject": "u0", "label": 1}]


def kept(entries):
    return {entry["subject"] for entry in entries if entry["label"] == 1 and "mask" in entry}


@pytest.mark.parametrize(
    ("fraction", "count"), [(0.0, 0), (0.05, 0), (0.25, 2), (0.5, 4), (1.0, 8)], ids=lambda value: str(value)
)
def test_share_of_the_annotated_patients_keeps_its_masks(fraction, count):
    entries = keep_annotations(PATIENTS + OTHERS, fraction, seed=1)
    assert len(kept(entries)) == count
    assert [entry["subject"] for entry in entries] == [entry["subject"] for entry in PATIENTS + OTHERS]
    assert entries[-2:] == OTHERS
    assert PATIENTS[0].keys() == {"subject", "label", "mask"}  # the input is left alone


def test_choice_depends_on_the_seed_and_not_on_the_order():
    first = kept(keep_annotations(PATIENTS, 0.5, seed=0))
    assert kept(keep_annotations(PATIENTS[::-1] + OTHERS, 0.5, seed=0)) == first
    chosen = [subject for seed in range(400) for subject in kept(keep_annotations(PATIENTS, 0.5, seed=seed))]
    shares = [chosen.count(entry["subject"]) / 400 for entry in PATIENTS]
    assert shares == pytest.approx([0.5] * 8, abs=0.1)  # four standard deviations


def test_larger_fraction_keeps_the_patients_of_a_smaller_one():
    chains = [kept(keep_annotations(PATIENTS, n / 8)) for n in range(9)]
    assert all(small < large for small, large in pairwise(chains))


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_wrong_fraction_is_named(fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {fraction}"):
        keep_annotations(PATIENTS, fraction)


def test_batch_brings_labels_and_maps():
    lesion = torch.zeros(1, 4, 5)
    lesion[:, :2] = 1.0
    images = [MetaTensor(torch.full((1, 4, 5), float(value))) for value in range(3)]
    items = [{"image": images[0], "label": 0}, {"image": images[1], "label": 1}]
    items.append({"image": images[2], "label": 1, "mask": MetaTensor(lesion)})
    image, target = PrepareAnnotatedBatch()(
        list_data_collate([FillMissingMaskd("mask")(item) for item in items]), "cpu"
    )
    assert type(image) is torch.Tensor and torch.equal(image, torch.stack([item.as_tensor() for item in images]))
    assert target["label"].tolist() == [0, 1, 1]
    expected = torch.stack([torch.zeros(1, 4, 5), torch.full((1, 4, 5), torch.nan), lesion])
    torch.testing.assert_close(target["mask"], expected, equal_nan=True)
    assert type(target["mask"]) is torch.Tensor


def test_batch_without_maps_is_refused():
    with pytest.raises(ValueError, match="got no mask"):
        PrepareAnnotatedBatch()({"image": torch.zeros(2, 1, 4, 4), "label": torch.zeros(2)})


def test_images_are_plain_tensors():
    batch = {"image": MetaTensor(torch.rand(2, 1, 4, 5)), "label": torch.tensor([0, 1])}
    image, label = PrepareLabelledBatch()(batch, "cpu")
    assert type(image) is torch.Tensor and torch.equal(image, batch["image"].as_tensor())
    assert label.tolist() == [0, 1]


def test_maps_of_healthy_images_are_asked_for():
    batch = {"image": MetaTensor(torch.rand(3, 1, 4, 5)), "label": torch.tensor([[0], [1], [0]])}
    image, label, arguments, keywords = PrepareHealthyAttribution()(batch, "cpu")
    assert type(image) is torch.Tensor and torch.equal(image, batch["image"].as_tensor())
    assert torch.equal(label, batch["label"])
    assert [argument.tolist() for argument in arguments] == [[0, 2]] and keywords == {}
