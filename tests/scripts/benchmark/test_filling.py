from __future__ import annotations

import numpy as np
import pytest
import torch

from scripts.benchmark.filling import load_network, main, summary_row, twin_logits


def test_a_logit_of_brightness_falls_to_that_of_the_healthy_twin():
    logits = twin_logits(lambda image: float(np.clip(image, 3.0, None).mean()), seed=0, index=1, condition="ms")
    assert logits["patient"] > logits["twin"] + 1e-4
    assert abs(logits["filled"] - logits["twin"]) < 0.1 * (logits["patient"] - logits["twin"])


def test_summary_by_hand():
    logits = [
        {"patient": 3.0, "twin": -1.0, "filled": -0.5, "median": 0.0},
        {"patient": 1.0, "twin": -1.0, "filled": -1.5, "median": -1.0},
    ]
    assert summary_row("ms", logits) == {
        "condition": "ms",
        "subjects": 2,
        "twin_fall": 3.0,
        "twin_error": 0.0,
        "filled_fall": 3.0,
        "filled_error": 0.5,
        "median_fall": 2.5,
        "median_error": 0.5,
    }


def test_mistakes_are_told_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--subjects", "0"])
    assert "--subjects must be at least 1, got 0" in capsys.readouterr().err
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(SystemExit, match=r"error: .*the weights do not fit network_def"):
        load_network("configs/inference.yaml", tmp_path / "model.pt")
