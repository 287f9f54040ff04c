"""The export commands of monai.bundle, as a user types them, with configs/inference.yaml and the shipped weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from bundle.deployment import load_exported
from tests.warm_process import run_module

ROOT = Path(__file__).parents[2]
GRID_SHAPE = (91, 109, 91)  # that of the healthy atlas in the weights


def export(command, path, **options):
    words = [command, "--net_id", "network_def", "--filepath", str(path)]
    words += ["--config_file", "configs/inference.yaml", "--meta_file", "configs/metadata.json"]
    words += ["--ckpt_file", "models/model.pt"]
    words += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    run = run_module("monai.bundle", words, {"TMPDIR": str(path.parent)})
    assert run.returncode == 0, run.stderr
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]  # nothing temporary is left
    return load_exported(path)


def assert_same_prediction(run, network, size):
    image = torch.randn(3, 1, *size, generator=torch.Generator().manual_seed(0))
    for batch in (image[:1], image):
        with torch.no_grad():
            expected, found = network(batch), run(batch)
        assert float((found - expected)[:, :1].abs().max()) <= 1e-4 * float(expected[:, :1].abs().max())
        torch.testing.assert_close(found[:, 1:], expected[:, 1:], rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def network():
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / "inference.yaml")
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(ROOT / "models" / "model.pt", weights_only=True))
    return network


def test_ckpt_export(network, tmp_path):
    run = export("ckpt_export", tmp_path / "model.ts")
    assert_same_prediction(run, network, GRID_SHAPE)


def test_onnx_export(network, tmp_path):
    converter = {"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": {"image": {0: "batch"}}}
    run = export(
        "onnx_export",
        tmp_path / "model.onnx",
        input_shape=[2, 1, *GRID_SHAPE],
        use_trace=True,
        converter_kwargs={**converter, "external_data": False},
    )
    assert_same_prediction(run, network, GRID_SHAPE)
