"""A deployment's folder is complete or not there, and what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bundle.anomaly import save_thresholds
from bundle.deployment import folder, read_config, write_deployment

CONFIG = Path(__file__).parents[2] / "configs" / "inference.yaml"


@pytest.fixture
def values(make_network, tmp_path):
    """Values of a config with a small grid and narrow weights."""
    model_file = tmp_path / "model.pt"
    torch.save(make_network("inference.yaml").state_dict(), model_file)
    save_thresholds(tmp_path / "threshold.json", model_file, {"attribution": 0.0})
    return {
        "grid_shape": [23, 27, 23],
        "network_def::classifier::channels": [4, 8, 8],
        "model_file": str(model_file),
        "threshold_file": str(tmp_path / "threshold.json"),
    }


def test_nothing_is_left_when_an_export_is_wrong(values, tmp_path, monkeypatch):
    def refuse(path, *_):
        raise ValueError(f"{path.name} is wrong")

    monkeypatch.setattr(folder, "check_exported", refuse)
    for slow in ("export_program", "export_onnx"):
        monkeypatch.setattr(folder, slow, lambda *_: None)
    with pytest.raises(ValueError, match=r"model\.ts is wrong"):
        write_deployment(read_config(CONFIG, values), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("model_file", "missing.pt", "missing.pt: the weights do not exist", id="weights"),
        pytest.param("network_def::classifier::channels", [4, 8, 9], "do not fit network_def", id="network"),
        pytest.param("threshold_file", "models/threshold.json", "calibrated for other weights", id="thresholds"),
        pytest.param("calibration", "healthy", "no thresholds of the rule 'healthy'", id="calibration"),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_written(values, key, value, message, tmp_path):
    if value == "models/threshold.json":
        value = str(CONFIG.parents[1] / value)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        write_deployment(read_config(CONFIG, values | {key: value}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_config(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml: the file does not exist"):
        read_config(tmp_path / "none.yaml", {})


def test_unknown_value():
    with pytest.raises(ValueError, match="got 'grid_spacing'; correct the name"):
        read_config(CONFIG, {"grid_spacing": 1.0})
