from __future__ import annotations

import pytest
import torch

from bundle.conventions import split_prediction
from bundle.networks import AttributionNet, HealthyAtlas, PatchGANClassifier, fit_atlas

SHAPE = (9, 10, 8)


def healthy_images(count: int = 40) -> torch.Tensor:
    """Images whose mean and deviation rise along the first axis; the last plane is background in all of them."""
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(SHAPE[0], dtype=torch.float32)[:, None, None]
    images = 1.0 + place + (1.0 + place / 4) * torch.randn(count, 1, *SHAPE, generator=generator)
    images[..., -1] = 0.0
    return images


def test_mean_and_deviation_are_those_of_the_images_at_a_place():
    images, atlas = healthy_images(), HealthyAtlas(SHAPE)
    atlas.fit(images, smoothing=1e-3)  # no neighbours
    brain = images[0, 0] != 0
    torch.testing.assert_close(atlas.mean[0, 0][brain], images.mean(0)[0][brain], rtol=1e-5, atol=1e-5)
    expected = images.std(0, correction=0)[0][brain].clamp(min=0.5)
    torch.testing.assert_close(atlas.deviation[0, 0][brain], expected, rtol=1e-5, atol=1e-5)
    assert atlas.mean[0, 0][~brain].abs().max() == 0
    assert atlas.deviation[0, 0][~brain].eq(0.5).all()


def test_only_images_with_brain_at_a_place_count():
    images = torch.full((4, 1, *SHAPE), 3.0)
    images[2:, 0, :4] = 0.0  # two of the four have no brain here
    atlas = HealthyAtlas(SHAPE)
    atlas.fit(images)
    torch.testing.assert_close(atlas.mean, torch.full_like(atlas.mean, 3.0), rtol=1e-5, atol=1e-5)


def test_healthy_images_have_deviations_of_unit_size():
    images, atlas = healthy_images(200), HealthyAtlas(SHAPE)
    atlas.fit(images[:100], smoothing=1e-3)
    z = atlas(images[100:])
    inside = z[..., :-1]
    assert abs(float(inside.mean())) < 0.05
    assert float(inside.std()) == pytest.approx(1.0, abs=0.1)
    assert z[..., -1].eq(0).all()


def test_an_atlas_that_was_not_fitted_changes_nothing():
    images = healthy_images(2)
    torch.testing.assert_close(HealthyAtlas(SHAPE)(images), images, rtol=0, atol=0)


def test_another_grid_is_named():
    with pytest.raises(ValueError, match=r"\[1, 9, 10, 8\], got \[1, 9, 10, 7\]"):
        HealthyAtlas(SHAPE)(torch.zeros(1, 1, 9, 10, 7))


@pytest.mark.parametrize("images", [[], [torch.zeros(1, *SHAPE)]], ids=["none", "empty"])
def test_an_atlas_of_nothing_is_refused(images):
    with pytest.raises(ValueError, match="at least one healthy image"):
        HealthyAtlas(SHAPE).fit(images)


def test_fit_atlas_reads_no_image_for_a_network_without_atlas():
    network = AttributionNet(PatchGANClassifier(3, 1, (4, 4), (2, 2, 1)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fit_atlas(network, [{"image": None}])
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert not any(name.startswith("atlas") for name in before)


@pytest.mark.parametrize("method", ["decoder", "autograd"])
def test_map_is_the_derivative_by_the_deviation(method):
    torch.manual_seed(0)
    classifier = PatchGANClassifier(3, 1, (4, 4), (2, 2, 1), norm="none", intensity_knots=(-1.0, 1.0)).double()
    network = AttributionNet(classifier, method, atlas=HealthyAtlas(SHAPE).double()).eval()
    images = healthy_images(12).double()
    fit_atlas(network, [{"image": image} for image in images])
    x = images[:2]
    attribution, logit = split_prediction(network(x))
    z = ((x - network.atlas.mean) / network.atlas.deviation).where(x != 0, torch.zeros(())).requires_grad_()
    expected = classifier(z).flatten(1).mean(1)
    (derivative,) = torch.autograd.grad(expected.sum(), z)
    torch.testing.assert_close(logit[:, 0], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(attribution, derivative * (x != 0), rtol=0, atol=1e-12)
    assert derivative[..., -1].abs().max() > 0
    assert attribution[..., -1].eq(0).all()


def test_maps_that_are_not_wanted_stay_unknown():
    network = AttributionNet(PatchGANClassifier(3, 1, (4, 4), (2, 2, 1)), atlas=HealthyAtlas(SHAPE))
    attribution, _ = split_prediction(network(healthy_images(2), torch.tensor([0])))
    assert attribution[0].isfinite().all()
    assert attribution[1].isnan().all()


def test_torchscript_gives_the_same_map():
    network = AttributionNet(PatchGANClassifier(3, 1, (4, 4), (2, 2, 1)), atlas=HealthyAtlas(SHAPE)).eval()
    images = healthy_images(10)
    fit_atlas(network, [{"image": image} for image in images])
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(images[:2]), network(images[:2]))
