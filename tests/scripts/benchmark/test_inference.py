"""The benchmark of attribution maps: peers agree, and the command writes a complete record."""

from __future__ import annotations

import json

import pytest
import torch

from scripts.benchmark import inference

SMALL = ["--device", "cpu", "--channels", "4", "--norm", "none", "--spatial_size", "32", "40", "--repeats", "1"]
SMALL += ["--path_repeats", "1", "--steps", "10", "--threads", str(torch.get_num_threads())]


@pytest.mark.parametrize("network", ["patchgan", "configured"])
def test_command(tmp_path, capsys, network):
    output = tmp_path / "out.json"
    inference.main([*SMALL, "--network", network, "--spatial_size", "64", "72", "--output", str(output)])
    record = json.loads(output.read_text())
    assert max(record[f"{key}_difference"] for key in ("gradient", "IG", "EG")) < 1e-4
    flops = {row["name"]: row["flops"] for key in ("gradient", "IG", "EG") for row in record[key]}
    assert flops["logit and map, decoder"] == pytest.approx(2 * flops["forward pass"], rel=0.1)
    saves = network == "patchgan"  # hinges leave no affine first layer
    assert (flops["IG, decoder"] < 0.97 * flops["IG, Captum"]) == saves
    assert (flops["EG, decoder"] < 0.97 * flops["EG, all points from the image"]) == saves
    printed = capsys.readouterr().out
    assert f"| IG, Captum | {record['IG'][0]['seconds'][0]:.3f} |" in printed
    assert printed.count("largest relative difference") == 3


def test_wrong_number_of_points_ends_the_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        inference.main([*SMALL, "--steps", "0"])
    assert "got 0" in capsys.readouterr().err
