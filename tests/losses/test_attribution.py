from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bundle.conventions import join_prediction
from bundle.losses import AttributionConstraintLoss
from bundle.losses.functional import relative_attribution, unsupervised_constraint
from tests.oracles import paper_equations as oracle

LABELS = [
    pytest.param([0, 1, 0, 1], id="both_classes"),
    pytest.param([0, 0, 0, 0], id="all_healthy"),
    pytest.param([1, 1, 1, 1], id="no_healthy_image"),
]
SPATIAL = [pytest.param((7, 5), id="2d"), pytest.param((4, 6, 5), id="3d")]


def random_prediction(spatial: tuple[int, ...], scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    attribution = scale * torch.randn(4, 1, *spatial, dtype=torch.float64, generator=generator)
    logit = torch.randn(4, 1, dtype=torch.float64, generator=generator)
    return attribution.requires_grad_(), logit.requires_grad_(), join_prediction(attribution, logit)


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.0e8])
def test_unsupervised_equals_equation_2(spatial, labels, alpha):
    attribution, logit, pred = random_prediction(spatial)
    loss = AttributionConstraintLoss(alpha)(pred, {"label": torch.tensor(labels)})
    loss.backward()  # in the graph, even with nothing to constrain
    expected = oracle.classification(logit.detach().numpy()[:, 0], np.array(labels)) + alpha * oracle.unsupervised(
        attribution.detach().numpy(), labels
    )
    assert math.isclose(loss.item(), expected, rel_tol=1e-12)
    assert torch.isfinite(attribution.grad).all()
    patients = torch.tensor(labels) == 1
    assert (attribution.grad[patients] == 0).all()


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("annotated", [4, 2, 0], ids=["all_annotated", "half_annotated", "all_nan"])
def test_supervised_equals_equation_3(spatial, annotated):
    attribution, logit, pred = random_prediction(spatial)
    labels = np.array([0, 1, 0, 1])
    maps = (np.random.default_rng(0).random((4, 1, *spatial)) < 0.3) * labels.reshape(-1, *[1] * (len(spatial) + 1))
    maps = maps.astype(np.float64)
    maps[annotated:] = np.nan
    target = {"label": torch.from_numpy(labels), "mask": torch.from_numpy(maps)}
    loss = AttributionConstraintLoss(2.5, "supervised")(pred, target)
    loss.backward()
    expected = oracle.classification(logit.detach().numpy()[:, 0], labels) + 2.5 * oracle.supervised(
        attribution.detach().numpy(), maps
    )
    assert math.isclose(loss.item(), expected, rel_tol=1e-12)
    assert torch.isfinite(attribution.grad).all()
    assert (attribution.grad[annotated:] == 0).all()


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("constraint", ["ross", "total_variation"])
def test_priors_replace_the_constraint(spatial, labels, constraint):
    attribution, logit, pred = random_prediction(spatial)
    loss = AttributionConstraintLoss(0.7, constraint)
    value = loss(pred, torch.tensor(labels))
    value.backward()
    prior = {
        "ross": oracle.ross(attribution.detach().numpy(), labels),
        "total_variation": oracle.total_variation(attribution.detach().numpy(), standardise=True),
    }[constraint]
    expected = oracle.classification(logit.detach().numpy()[:, 0], np.array(labels)) + 0.7 * prior
    assert math.isclose(value.item(), expected, rel_tol=1e-12)
    assert math.isclose(loss.parts["attribution_loss"].item(), prior, rel_tol=1e-12)
    assert torch.isfinite(attribution.grad).all()


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("standardise", [False, True])
def test_total_variation_of_all_images_is_added(labels, standardise):
    attribution, logit, pred = random_prediction((4, 6, 5))
    value = attribution.detach().numpy()
    expected = oracle.unsupervised(value, labels) + 0.3 * oracle.total_variation(value, standardise=standardise)
    loss = AttributionConstraintLoss(2.0, tv_weight=0.3, standardise=standardise)
    total = oracle.classification(logit.detach().numpy()[:, 0], np.array(labels)) + 2.0 * expected
    assert math.isclose(loss(pred, torch.tensor(labels)).item(), total, rel_tol=1e-12)
    assert math.isclose(loss.parts["attribution_loss"].item(), expected, rel_tol=1e-12)


@pytest.mark.parametrize("labels", LABELS)
def test_ridge_is_added_whatever_alpha_is(labels):
    attribution, logit, pred = random_prediction((4, 6, 5))
    value = attribution.detach().numpy()
    loss = AttributionConstraintLoss(2.0, ridge=0.3)
    expected = (
        oracle.classification(logit.detach().numpy()[:, 0], np.array(labels))
        + 2.0 * oracle.unsupervised(value, labels)
        + 0.3 * oracle.ross(value, labels)
    )
    assert math.isclose(loss(pred, torch.tensor(labels)).item(), expected, rel_tol=1e-12)


@pytest.mark.parametrize("labels", LABELS)
def test_label_tensor_alone_is_a_target(labels):
    _, _, pred = random_prediction((4, 4))
    column = torch.tensor(labels)[:, None]
    loss = AttributionConstraintLoss(1.0)
    assert loss(pred, column).item() == loss(pred, {"label": column[:, 0]}).item()


def test_gradient_at_alpha_1e8_is_that_of_float64():
    """Attributions of 1e-8 vanish in the float32 value of the loss but not in its gradient."""
    attribution = torch.full((2, 1, 4, 4), 1.0e-8, requires_grad=True)
    logit = torch.zeros(2, 1, requires_grad=True)
    loss = AttributionConstraintLoss(1.0e8)(join_prediction(attribution, logit), torch.tensor([0, 1]))
    loss.backward()
    torch.testing.assert_close(attribution.grad[0], torch.full((1, 4, 4), 1.0e8 * 0.5 / 16))
    torch.testing.assert_close(logit.grad, torch.tensor([[0.25], [-0.25]]))
    assert math.isclose(loss.item(), 1.0e8 * math.log(2), rel_tol=1e-6)


def test_parts_show_what_the_value_hides():
    attribution = torch.full((2, 1, 4, 4), 1.0e-8)
    attribution[0, 0, 0] = -3.0e-8  # a quarter of the healthy image's voxels
    loss = AttributionConstraintLoss(1.0e8)
    loss(join_prediction(attribution, torch.zeros(2, 1)), torch.tensor([0, 1]))
    assert loss.parts["healthy_negative_fraction"].item() == 0.25
    assert math.isclose(loss.parts["healthy_attribution_mean"].item(), 0.0, abs_tol=1e-14)
    assert math.isclose(loss.parts["classification_loss"].item(), math.log(2), rel_tol=1e-6)
    assert math.isclose(loss.parts["attribution_loss"].item(), math.log(2), rel_tol=1e-6)


@pytest.mark.parametrize("sharpness", [1.0, 8.0])
def test_relative_constraint_is_equation_2_in_units_of_the_root_mean_square(sharpness):
    attribution, logit, pred = random_prediction((4, 6, 5))
    labels = [0, 1, 0, 1]
    value = attribution.detach().numpy()
    unit = np.sqrt(np.mean(value[[0, 2]] ** 2)) / sharpness
    expected = oracle.classification(logit.detach().numpy()[:, 0], np.array(labels))
    expected += 3.0 * oracle.unsupervised(value / unit, labels) / sharpness
    loss = AttributionConstraintLoss(3.0, sharpness=sharpness)(pred, torch.tensor(labels))
    assert math.isclose(loss.item(), expected, rel_tol=1e-12)


def test_relative_supervised_constraint_is_equation_3_in_units_of_the_root_mean_square():
    attribution, logit, pred = random_prediction((4, 6, 5))
    labels = np.array([0, 1, 0, 1])
    maps = np.zeros((4, 1, 4, 6, 5))
    maps[1, :, :2] = 1.0
    maps[3] = np.nan
    value = attribution.detach().numpy()
    unit = np.sqrt(np.mean(value[:3] ** 2)) / 8.0
    expected = oracle.classification(logit.detach().numpy()[:, 0], labels) + oracle.supervised(value / unit, maps) / 8.0
    target = {"label": torch.from_numpy(labels), "mask": torch.from_numpy(maps)}
    loss = AttributionConstraintLoss(1.0, "supervised", sharpness=8.0)(pred, target)
    assert math.isclose(loss.item(), expected, rel_tol=1e-12)


def test_relative_constraint_does_not_depend_on_the_unit():
    attribution, _, _ = random_prediction((6, 6))
    labels = torch.tensor([0, 0, 1, 1])
    values = [unsupervised_constraint(attribution * unit, labels, sharpness=8.0).item() for unit in (1.0, 1e-7)]
    assert math.isclose(values[0], values[1], rel_tol=1e-12)
    assert math.isclose(relative_attribution(attribution, 8.0).square().mean().item(), 64.0, rel_tol=1e-12)


def test_sharp_constraint_leaves_clearly_negative_voxels_alone():
    attribution = torch.tensor([[[-1.0, 1.0]]], dtype=torch.float64, requires_grad=True)
    unsupervised_constraint(attribution, torch.tensor([0]), sharpness=20.0).backward()
    assert attribution.grad[0, 0, 0].abs() < 1e-8
    assert attribution.grad[0, 0, 1].item() == pytest.approx(0.5)


def test_relative_constraint_of_an_all_zero_map_is_finite():
    attribution = torch.zeros(2, 1, 3, 3, requires_grad=True)
    value = unsupervised_constraint(attribution, torch.tensor([0, 1]), sharpness=8.0)
    value.backward()
    assert math.isclose(value.item(), math.log(2) / 8, rel_tol=1e-6)
    assert torch.isfinite(attribution.grad).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"alpha": -1.0}, "got -1.0", id="negative_alpha"),
        pytest.param({"alpha": float("nan")}, "got nan", id="nan_alpha"),
        pytest.param({"alpha": 1.0, "tv_weight": -0.5}, "tv_weight must be .* got -0.5", id="negative_tv_weight"),
        pytest.param({"alpha": 1.0, "ridge": -0.25}, "ridge must be .* got -0.25", id="negative_ridge"),
        pytest.param({"alpha": 1.0, "constraint": "some"}, "'some'", id="constraint"),
        pytest.param({"alpha": 1.0, "sharpness": 0.0}, "got 0.0", id="zero_sharpness"),
        pytest.param({"alpha": 1.0, "sharpness": float("inf")}, "got inf", id="infinite_sharpness"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttributionConstraintLoss(**arguments)


def test_labels_of_another_batch_are_refused():
    _, _, pred = random_prediction((4, 4))
    with pytest.raises(ValueError, match=r"4 in all, got shape \(3,\)"):
        AttributionConstraintLoss(1.0)(pred, torch.zeros(3))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        pytest.param(None, "got no map", id="missing"),
        pytest.param(torch.zeros(4, 1, 3, 3), r"got shape \(4, 1, 3, 3\)", id="other_grid"),
    ],
)
def test_supervised_constraint_needs_maps(mask, message):
    _, _, pred = random_prediction((4, 4))
    target = {"label": torch.zeros(4)} if mask is None else {"label": torch.zeros(4), "mask": mask}
    with pytest.raises(ValueError, match=message):
        AttributionConstraintLoss(1.0, "supervised")(pred, target)
