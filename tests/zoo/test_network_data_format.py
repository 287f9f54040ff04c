"""The network of the workflows takes and gives what the metadata says, at the model's full grid."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle import verify_net_in_out

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("workflow", ["train", "inference", "evaluate"])
def test_verify_net_in_out(workflow, monkeypatch, caplog):
    monkeypatch.chdir(ROOT)  # _target_ names are looked up from the bundle's root
    with caplog.at_level("INFO"):
        verify_net_in_out(
            net_id="network_def",
            meta_file="configs/metadata.json",
            config_file=f"configs/{workflow}.yaml",
            device="cpu",
        )
    assert "data shape of network is verified with no error" in caplog.text
