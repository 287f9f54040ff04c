"""Each check that runs the bundle finds what it is for; that the bundle itself passes is shown by its package."""

from __future__ import annotations

import json

import torch

from bundle.deployment.zoo_workflows import check_workflows


def test_wrong_parts_are_found_by_their_checks(bundle_dir, monkeypatch):
    monkeypatch.chdir(bundle_dir)
    metadata = json.loads((bundle_dir / "configs" / "metadata.json").read_text())
    metadata["network_data_format"]["outputs"]["pred"]["num_channels"] = 3
    del metadata["authors"]
    (bundle_dir / "configs" / "metadata.json").write_text(json.dumps(metadata, indent=4))
    torch.save({"weight": torch.ones(1)}, bundle_dir / "models" / "model.pt")
    config = bundle_dir / "configs" / "inference.yaml"
    config.write_text(config.read_text().replace("\ninferer:", "\nother_inferer:"))
    problems = check_workflows(bundle_dir)
    assert [problem.split(":")[0] for problem in problems] == [
        "metadata",
        "network_data_format",
        "TorchScript",
        "properties",
    ]
    assert "'authors' is a required property" in problems[0]
    assert "channel number" in problems[1]
