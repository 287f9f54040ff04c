"""Exported networks against PyTorch: slices and volumes of odd sizes, one image and five."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from monai.networks.utils import convert_to_onnx

from bundle.conventions import split_prediction
from bundle.deployment import check_exported, export_onnx, export_program, export_torchscript, load_exported
from bundle.networks import AttributionNet, PatchGANClassifier

SIZES = {"inference.yaml": (23, 27, 23), "inference_2d.yaml": (37, 45)}
SUFFIXES = (".ts", ".pt2", ".onnx")


@pytest.fixture(scope="module", params=[(config, norm) for config in SIZES for norm in ("none", "group")], ids="-".join)
def exported(request, make_network, tmp_path_factory):
    """A network, the size of its images, its exports as loaded again, and their folder."""
    config, norm = request.param
    network, size = make_network(config, norm), SIZES[config]
    folder = tmp_path_factory.mktemp("exported")
    export_torchscript(network, folder / "model.ts")
    export_program(network, folder / "model.pt2", (1, *size))
    export_onnx(network, folder / "model.onnx", (1, *size))
    return network, size, {suffix: load_exported(folder / f"model{suffix}") for suffix in SUFFIXES}, folder


def images(batch, size, seed=0):
    return 2.0 * torch.randn(batch, 1, *size, generator=torch.Generator().manual_seed(seed))


def assert_same_prediction(found, network, image):
    with torch.no_grad():
        expected, expected_logit = split_prediction(network(image))
    attribution, logit = split_prediction(found)
    assert float((attribution - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    torch.testing.assert_close(logit, expected_logit, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_predicts_what_pytorch_predicts(exported, suffix, batch):
    network, size, runs, _ = exported
    image = images(batch, size)
    with torch.no_grad():
        found = runs[suffix](image)
    assert found.shape == (batch, 2, *size)
    assert_same_prediction(found, network, image)


@pytest.mark.parametrize("larger", [1, 6])
def test_torchscript_takes_images_of_any_size_that_the_network_takes(exported, larger):
    network, size, runs, _ = exported
    image = images(2, [extent + larger for extent in size])
    with torch.no_grad():
        if network.has_atlas:
            with pytest.raises(Exception, match="must be on the grid of the healthy atlas"):
                runs[".ts"](image)
            return
        assert_same_prediction(runs[".ts"](image), network, image)


@pytest.mark.parametrize("size", [(9, 11), (11, 9, 13)], ids=["2d", "3d"])
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:from_dynamic_axes:DeprecationWarning")
def test_one_onnx_file_takes_images_of_any_size(size, tmp_path):
    """With the dynamic axes of monai.bundle onnx_export; odd and even sizes, whichever the file was made with."""
    torch.manual_seed(0)
    hinges = {"intensity_knots": (0.0,), "intensity_pooling": 2}
    network = AttributionNet(PatchGANClassifier(len(size), 1, (4,), (2, 1), **hinges, initialisation="kaiming")).eval()
    convert_to_onnx(
        network,
        [images(2, size)],
        input_names=["image"],
        output_names=["pred"],
        dynamic_axes={"image": {0: "batch", **{2 + axis: f"size_{axis}" for axis in range(len(size))}}},
        filename=tmp_path / "model.onnx",
        external_data=False,
        verbose=False,
    )
    run = load_exported(tmp_path / "model.onnx")
    for batch, larger in ((1, 0), (5, 1), (2, 6), (1, 7)):
        image = images(batch, [extent + larger + axis for axis, extent in enumerate(size)])
        assert_same_prediction(run(image), network, image)


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_another_size_than_the_exported_one_is_refused(exported, suffix):
    _, size, runs, _ = exported
    image = images(1, [extent + 1 for extent in size])
    with pytest.raises(Exception, match=rf"(?s)(?=.*{size[0]})(?=.*{size[0] + 1})"):
        runs[suffix](image)


def test_files_load_where_the_bundle_and_monai_are_missing(make_network, tmp_path):
    network, image = make_network("inference.yaml"), images(2, (23, 27, 23))
    export_torchscript(network, tmp_path / "model.ts")
    export_program(network, tmp_path / "model.pt2", image.shape[1:])
    torch.save(image, tmp_path / "image.pt")
    code = """
import sys
sys.modules["bundle"] = sys.modules["monai"] = None
import torch
image = torch.load("image.pt")
with torch.no_grad():
    networks = [torch.jit.load("model.ts"), torch.export.load("model.pt2").module()]
    torch.save([network(image) for network in networks], "predictions.pt")
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for found in torch.load(tmp_path / "predictions.pt"):
        assert_same_prediction(found, network, image)


def test_weights_of_another_network_are_noticed(exported):
    network, size, _, folder = exported
    other = torch.nn.Sequential(network, torch.nn.Tanh())
    with pytest.raises(ValueError, match=r"model\.ts: predictions .* 0\.0001 of the largest magnitude in \d+\.\d\d%"):
        check_exported(folder / "model.ts", other, (1, *size))
