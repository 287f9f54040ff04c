"""python -m scripts.export with the shipped weights, and what it says to a command line that cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from bundle.data.files import file_sha256
from bundle.deployment import folder, load_exported
from scripts import export

ROOT = Path(__file__).parents[2]


def test_writes_networks_and_their_record(deployment_dir):
    names = ["deployment.json", "model.onnx", "model.pt2", "model.ts"]
    assert sorted(path.name for path in deployment_dir.iterdir()) == names  # and no temporary file
    record = json.loads((deployment_dir / "deployment.json").read_text())
    assert record["files"] == {name: file_sha256(deployment_dir / name) for name in names[1:]}
    assert record["model_sha256"] == file_sha256(ROOT / "models" / "model.pt")
    thresholds = json.loads((ROOT / "models" / "threshold.json").read_text())
    assert record["threshold"] == thresholds["thresholds"]["attribution"]
    assert record["decision_logit"] == thresholds["decision"]["logit"]
    metadata = json.loads((ROOT / "metadata.json").read_text())
    assert (record["name"], record["version"]) == (metadata["name"], metadata["version"])
    extra = {"metadata.json": ""}
    torch.jit.load(deployment_dir / "model.ts", _extra_files=extra)
    assert json.loads(extra["metadata.json"]) == metadata


def test_the_exported_network_is_that_of_the_weights(deployment_dir):
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / "inference.yaml")
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(ROOT / "models" / "model.pt", weights_only=True))
    image = torch.randn(1, 1, 91, 109, 91, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected, found = network(image), load_exported(deployment_dir / "model.onnx")(image)
    assert float((found - expected)[:, :1].abs().max()) <= 1e-4 * float(expected[:, :1].abs().max())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--score"], "--score needs a value"),
        (["score", "attribution"], "given as --ID VALUE, got 'score'"),
        (["--scores", "attribution"], "must be in the config, got 'scores'"),
        (["--score", "intensity"], r"must be one of \['attribution', 'input_weighted'\], .* got 'intensity'"),
        (["--model_file", "none.pt"], "error: none.pt: the weights do not exist"),
        (["--config_file", "none.yaml"], "error: none.yaml: the file does not exist"),
        (["--config_file", str(ROOT / "configs" / "inference_2d.yaml")], "preprocessing must be that of configs/inf"),
    ],
)
def test_a_wrong_command_line_is_named_in_one_line(words, message, tmp_path):
    with pytest.raises(SystemExit, match=message) as raised:
        export.main(["--output_dir", str(tmp_path / "out"), *words])
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'onnxscript'")

    monkeypatch.setattr(folder, "export_program", lambda *_: None)
    monkeypatch.setattr(folder, "export_onnx", missing)
    with pytest.raises(SystemExit, match="No module named 'onnxscript'; install onnx, onnxscript and onnxruntime"):
        export.main(["--output_dir", str(tmp_path / "out")])
    assert list((tmp_path / "out").iterdir()) == []


def test_values_are_read_as_monai_bundle_reads_them():
    assert export._overrides(["--a", "[4, 8]", "--b", "runs/mine/model.pt", "--c", "None"]) == {
        "a": [4, 8],
        "b": "runs/mine/model.pt",
        "c": None,
    }
