"""The loss is one graph for torch.compile, which changes neither its value nor its gradient."""

from __future__ import annotations

import pytest
import torch

from bundle.losses import AttributionConstraintLoss

pytestmark = pytest.mark.usefixtures("no_graphs_of_other_tests")

CASES = {
    "paper_units": {"alpha": 1.0e8},
    "relative": {"alpha": 2.0, "sharpness": 8.0},
    "supervised": {"alpha": 2.0, "constraint": "supervised", "sharpness": 8.0},
    "ross": {"alpha": 2.0, "constraint": "ross"},
    "erion": {"alpha": 2.0, "constraint": "total_variation"},
    "unsup_tv_ridge": {"alpha": 2.0, "sharpness": 8.0, "tv_weight": 0.1, "ridge": 0.1},
}


def make_batch(labels: list[int]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Draw a prediction in which patients have no map, and targets in which the last image is not annotated."""
    label = torch.tensor(labels)
    pred = torch.randn(len(label), 2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lesion_map = (pred[:, :1] > 1).to(pred.dtype)
    lesion_map[-1] = torch.nan
    return pred, {"label": label, "mask": lesion_map}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [1, 1, 1, 1]], ids=["both_classes", "no_healthy_image"])
def test_value_gradient_and_parts_are_those_without(name, labels):
    pred, target = make_batch(labels)
    results = []
    for compiled in (False, True):
        loss = AttributionConstraintLoss(**CASES[name])
        function = torch.compile(loss, backend="aot_eager", fullgraph=True, disable=not compiled)
        leaf = pred.clone().requires_grad_()
        value = function(leaf, target)
        value.backward()
        results.append({"value": value.detach(), "gradient": leaf.grad, **loss.parts})
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-15, equal_nan=True)


def test_weight_that_grows_compiles_twice_at_most():
    pred, target = make_batch([0, 1, 0, 1])
    loss = AttributionConstraintLoss(0.0, sharpness=8.0)
    compiles = []

    def backend(graph, inputs):
        compiles.append(graph)
        return graph.forward

    compiled = torch.compile(loss, backend=backend, fullgraph=True)
    for alpha in (0.0, 0.1, 0.2, 0.3, 0.4):
        loss.alpha = alpha
        expected = AttributionConstraintLoss(alpha, sharpness=8.0)(pred, target)
        assert compiled(pred, target).item() == pytest.approx(expected.item(), rel=1e-6)
    assert 1 <= len(compiles) <= 2
