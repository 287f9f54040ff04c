"""Activation checkpointing keeps less for the backward pass and changes no result."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from bundle.attributions import PathSampler
from bundle.conventions import split_prediction
from bundle.networks import AttributionNet, PatchGANClassifier
from scripts.benchmark.measuring import count_flops


def make_classifier(dims: int, checkpointing: bool, **options: object) -> PatchGANClassifier:
    torch.manual_seed(0)
    classifier = PatchGANClassifier(
        dims, 1, (4, 8, 8, 8), norm_groups=4, use_checkpoint=checkpointing, **options
    ).double()
    for parameter in classifier.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    return classifier.train()


def step(network: AttributionNet, size: tuple[int, ...], attributed: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Return the prediction of a training step and the gradient of every parameter that has one."""
    torch.manual_seed(2)  # of the sampler
    x = torch.randn(4, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    pred = network(x, attributed)
    maps, logits = split_prediction(pred if attributed is None else pred[attributed])
    (maps / maps.detach().std()).exp().mean().add(logits.square().mean()).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"prediction": pred.detach().nan_to_num(), **gradients}


@pytest.mark.parametrize("norm", ["group", "instance", "none"])
@pytest.mark.parametrize("before", [True, False], ids=["before_activation", "after_activation"])
@pytest.mark.parametrize("attributed", [None, torch.tensor([3, 0])], ids=["all", "some"])
@pytest.mark.parametrize("sampler", [None, PathSampler(0.0)], ids=["G", "EG"])
def test_step_is_that_without(norm, before, attributed, sampler):
    found, expected = (
        step(
            AttributionNet(
                make_classifier(2, checkpointing, norm=norm, norm_before_activation=before), sampler=sampler
            ),
            (27, 33),
            attributed,
        )
        for checkpointing in (True, False)
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-14, msg=name)


def test_step_through_intensity_hinges_is_that_without():
    options = {"norm": "none", "intensity_knots": (-1.0, 0.5, 2.0), "intensity_pooling": 2}
    found, expected = (
        step(AttributionNet(make_classifier(3, checkpointing, **options)), (48, 54, 62), None)
        for checkpointing in (True, False)
    )
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-14, msg=name)


def kept_values(classifier: PatchGANClassifier) -> int:
    """Return the number of values that autograd keeps, weights aside."""
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        AttributionNet(classifier)(torch.zeros(4, 1, 96, 96, dtype=torch.float64))
    return sum(storage.nbytes() for storage in storages.values()) // 8


def test_it_keeps_less():
    kept = {checkpointing: kept_values(make_classifier(2, checkpointing)) for checkpointing in (True, False)}
    assert kept[True] < 0.8 * kept[False], kept


def test_no_convolution_runs_twice():
    networks = [AttributionNet(make_classifier(2, checkpointing, norm="group")) for checkpointing in (True, False)]
    operations = [count_flops(partial(step, network, (27, 33), None)) for network in networks]
    assert operations[0] == operations[1] > 0


def test_batch_normalisation_is_refused():
    with pytest.raises(ValueError, match="use_checkpoint"):
        make_classifier(2, True, norm="batch")
