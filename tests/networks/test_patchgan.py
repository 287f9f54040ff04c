from __future__ import annotations

import pytest
import torch

from bundle.networks import PatchGANClassifier, patchgan_monotonic, patchgan_paper


def parameter_count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("preset", "spatial_dims", "expected"),
    [
        pytest.param(patchgan_paper, 2, 2_763_585, id="paper_2d"),
        pytest.param(patchgan_paper, 3, 11_048_769, id="paper_3d"),
        pytest.param(patchgan_monotonic, 2, 2_764_481, id="monotonic_2d"),
        pytest.param(patchgan_monotonic, 3, 11_049_665, id="monotonic_3d"),
    ],
)
def test_published_parameter_counts(preset, spatial_dims, expected):
    assert parameter_count(preset(spatial_dims)) == expected


@pytest.mark.parametrize(
    ("size", "patches"),
    [
        pytest.param((182, 218), (20, 25), id="2d_1mm"),
        pytest.param((91, 109), (9, 11), id="2d_2mm"),
        pytest.param((91, 109, 91), (9, 11, 9), id="3d_2mm"),
    ],
)
def test_number_of_patches(size, patches):
    classifier = PatchGANClassifier(len(size), 1, (2, 2, 2, 2)).eval()
    with torch.no_grad():
        assert classifier(torch.zeros(1, 1, *size)).shape == (1, 1, *patches)


@pytest.mark.parametrize(
    ("strides", "field"),
    [pytest.param((2, 2, 2, 1, 1), 70, id="paper"), pytest.param((2, 2, 2, 2, 1), 94, id="monotonic")],
)
def test_receptive_field(strides, field):
    classifier = PatchGANClassifier(2, 1, (4, 4, 4, 4), strides, norm="none").double()
    for parameter in classifier.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1.0)  # positive weights: no path cancels another
    x = torch.rand(1, 1, 160, 160, dtype=torch.float64, requires_grad=True)
    logits = classifier(x)
    centre = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, centre, centre], x)
    assert int((gradient[0, 0].abs().sum(1) > 0).sum()) == field


@pytest.mark.parametrize("norm", ["group", "instance", "none"])
def test_images_of_a_batch_do_not_touch_in_training_mode(norm):
    torch.manual_seed(0)
    classifier = PatchGANClassifier(2, 1, (4, 8, 8, 8), norm=norm).train()
    x = torch.randn(3, 1, 40, 40)
    alone = torch.cat([classifier(image[None]) for image in x])
    torch.testing.assert_close(classifier(x), alone, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"spatial_dims": 4}, "got 4", id="dims"),
        pytest.param({"strides": (2, 2)}, r"got strides=\[2, 2\]", id="strides"),
        pytest.param({"bias": "some"}, "'some'", id="bias"),
        pytest.param({"initialisation": "zeros"}, "'zeros'", id="initialisation"),
        pytest.param({"norm": "layer"}, "'layer'", id="norm"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PatchGANClassifier(**{"channels": (2, 2, 2, 2), **arguments})
