from __future__ import annotations

import pytest
import torch

from bundle.conventions import split_prediction
from bundle.networks import AttributionNet, PatchGANClassifier

SIZES = [pytest.param((30, 34), id="2d"), pytest.param((17, 20, 18), id="3d")]


def make_classifier(spatial_dims: int, **options: object) -> PatchGANClassifier:
    torch.manual_seed(0)
    return PatchGANClassifier(
        spatial_dims,
        1,
        (8, 8),
        (2, 2, 1),
        norm="none",
        slope=0.05,
        initialisation="kaiming",
        convex=True,
        **{"intensity_knots": (-1.0, 0.0, 1.0), "intensity_pooling": 2} | options,
    ).double()


def shake(classifier: PatchGANClassifier) -> None:
    """Move the weights as an optimiser would: into the negative, too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in classifier.parameters():
            size = parameter.abs().mean() + 0.1
            parameter += size * torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)


def pairs(*size: int, count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    x, y = (2.0 * torch.randn(count, 1, *size, dtype=torch.float64, generator=generator) for _ in range(2))
    return x, y


def steepening(classifier: PatchGANClassifier, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """<A(x) - A(y), x - y>, which no pair of points of a convex function has below 0."""
    network = AttributionNet(classifier).eval()
    with torch.no_grad():
        difference = split_prediction(network(x))[0] - split_prediction(network(y))[0]
    return (difference * (x - y)).flatten(1).sum(1)


@pytest.mark.parametrize("options", [{}, {"intensity_knots": (), "intensity_pooling": 1}], ids=["hinges", "image"])
@pytest.mark.parametrize("size", SIZES)
def test_logit_is_convex_at_first_and_after_a_projection(size, options):
    classifier = make_classifier(len(size), **options)
    x, y = pairs(*size)
    with torch.no_grad():
        for shaken in (False, True):
            if shaken:
                shake(classifier)
                classifier.project()
            ends = [classifier(points).flatten(1).mean(1) for points in (x, y)]
            for share in (0.25, 0.5, 0.9):
                between = classifier(torch.lerp(x, y, share)).flatten(1).mean(1)
                assert (between <= torch.lerp(*ends, share) + 1e-12).all()
            assert (steepening(classifier, x, y) >= -1e-12).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_negative_later_weight_ends_it(size):
    classifier = make_classifier(len(size))
    with torch.no_grad():
        classifier.blocks[2].conv.weight.neg_()
    assert (steepening(classifier, *pairs(*size)) < 0).all()


def test_first_weights_of_the_image_are_free():
    classifier = make_classifier(3)
    assert classifier.blocks[0].conv.weight.shape[1] == 4  # the image and a hinge per knot
    shake(classifier)
    classifier.project()
    first = classifier.blocks[0].conv.weight
    assert (first[:, :1] < 0).any()
    assert (first[:, 1:] >= 0).all()
    assert all((block.conv.weight >= 0).all() for block in list(classifier.blocks)[1:])


def test_a_classifier_that_is_not_convex_is_not_projected():
    torch.manual_seed(0)
    classifier = PatchGANClassifier(2, 1, (8, 8), (2, 2, 1), norm="none")
    before = [parameter.clone() for parameter in classifier.parameters()]
    classifier.project()
    assert all(now.equal(then) for now, then in zip(classifier.parameters(), before, strict=True))


def test_signals_of_first_weights_neither_vanish_nor_grow():
    classifier = PatchGANClassifier(
        3, 1, (16, 32, 64), (2, 2, 1, 1), norm="none", slope=0.05, initialisation="kaiming", convex=True
    )
    with torch.no_grad():
        logits = classifier(torch.randn(2, 1, 40, 40, 40))
    assert 1e-3 < float(logits.abs().mean()) < 10.0


def test_normalisation_is_refused():
    with pytest.raises(ValueError, match="norm='none', got 'group'"):
        PatchGANClassifier(3, 1, norm="group", convex=True)


def test_torchscript_gives_the_same_logits():
    classifier = make_classifier(2).eval()
    x, _ = pairs(30, 34)
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(classifier)(x), classifier(x))
