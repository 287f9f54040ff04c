"""The benchmark of training steps: peers compute the same, and the command writes a complete record."""

from __future__ import annotations

import json

import pytest
import torch

from bundle.networks import AttributionNet
from scripts.benchmark import measuring, training_step

SMALL = ["--device", "cpu", "--channels", "4", "--norm", "none", "--spatial_size", "32", "40", "--repeats", "1"]
SMALL += ["--threads", str(torch.get_num_threads())]


def run(path, *arguments):
    training_step.main([*SMALL, "--output", str(path), *arguments])
    return json.loads(path.read_text())


def test_second_forward_pass_gives_the_same_prediction():
    classifier = measuring.make_classifier(measuring.make_parser("test", None).parse_args(SMALL))
    images = torch.randn(2, 1, 32, 40)
    found = training_step.second_forward(classifier, images)
    torch.testing.assert_close(found, AttributionNet(classifier).train()(images))


def test_command(tmp_path, capsys):
    record = run(tmp_path / "out.json")
    ratios = {row["name"]: row["flop_ratio"] for row in record["rows"]}
    assert record["left_out"] == [] and len(ratios) == 10 and ratios[training_step.PLAIN] == 1
    # The first layer's output is not differentiated by the image in a plain step, so the limits are not met exactly.
    assert ratios["G, healthy half"] == pytest.approx(1.5, abs=0.1)
    assert ratios["G, whole batch"] == pytest.approx(2.0, abs=0.15)
    assert ratios["EG, healthy half"] == pytest.approx(1.67, abs=0.1)  # without normalisation
    assert ratios["G, healthy half"] < ratios["G, forward of its own, double backpropagation"]
    printed = capsys.readouterr().out
    assert "patchgan, none norm, width 4, 32x40, batch 4" in printed
    assert "| G, whole batch |" in printed and "left out" not in printed


def test_checkpointing_and_channels_last_weights_change_no_operation(tmp_path):
    rows, other = (
        {row["name"]: row["flops"] for row in run(tmp_path / name, *options)["rows"]}
        for name, options in (("a.json", ()), ("b.json", ("--channels_last",)))
    )
    assert other == pytest.approx(rows)
    assert rows["G, whole batch, checkpointing"] == rows["G, whole batch"]


def test_float16_is_left_out_with_its_reason(tmp_path, capsys):
    record = run(tmp_path / "out.json", "--amp", "fp16")
    assert len(record["left_out"]) == 8 and len(record["rows"]) == 2
    assert "left out: G, healthy half: logits must be of a type" in capsys.readouterr().out


def test_wrong_option_ends_the_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        training_step.main([*SMALL, "--batch_size", "1"])
    assert "--batch_size must be at least 2" in capsys.readouterr().err
