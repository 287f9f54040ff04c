"""The benchmark of memory: what autograd keeps, by hand; scaling; and the command's table."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
import torch

from scripts.benchmark import measuring, memory, training_step

SMALL = ["--device", "cpu", "--channels", "2", "--norm", "none", "--spatial_size", "24", "24", "24"]
SMALL += ["--batch_size", "2", "--threads", str(torch.get_num_threads())]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads the status of a Linux process")


def options(*arguments: str):
    parser = measuring.make_parser("memory", None)
    training_step.add_options(parser)
    parser.add_argument("--only")
    return parser.parse_args([*SMALL, *arguments])


def test_what_autograd_keeps_is_counted_once():
    weight = torch.nn.Parameter(torch.randn(1000))
    x = torch.randn(1000)

    def step() -> None:
        y = x * weight  # keeps x; a parameter does not count
        (y * y).sum().backward()  # keeps y, twice

    assert memory.kept_bytes(step) == 4 * (1000 + 1000)


@linux_only
def test_peak_is_the_largest_size_at_any_time():
    def step() -> None:
        for _ in range(2):
            torch.ones(16_000_000)  # one after the other

    assert memory.peak_bytes(step, "cpu") == pytest.approx(64e6, rel=0.2)


def test_estimate_scales_with_voxels_and_images():
    args = options("--channels", "64")
    weights = sum(parameter.numel() for parameter in measuring.make_classifier(args).parameters())
    expected = 1000 * (182 * 218 * 182) / 24**3 * (5 / 2) + 16 * weights
    assert memory.predicted_bytes(args, 1000) == pytest.approx(expected, abs=1)
    assert memory.predicted_bytes(options(), 1000) is None  # another width
    assert memory.predicted_bytes(args, 0) is None  # nothing kept


@linux_only
def test_command(tmp_path, monkeypatch, capsys):
    def run_here(command, **_):
        return SimpleNamespace(returncode=0, stdout=json.dumps(memory.measure_one(options("--only", command[-1]))))

    monkeypatch.setattr(memory.subprocess, "run", run_here)
    memory.main([*SMALL, "--output", str(tmp_path / "out.json")])
    rows = {row["name"]: row for row in json.loads((tmp_path / "out.json").read_text())["rows"]}
    assert len(rows) == 10 and rows["inference, forward pass"]["kept_bytes"] == 0
    kept = {name: row["kept_bytes"] for name, row in rows.items()}
    assert kept["plain step"] < kept["G, healthy half"] < kept["G, whole batch"]
    assert kept["G, whole batch"] < kept["G, forward of its own, double backpropagation"]
    assert "| G, whole batch |" in capsys.readouterr().out


def test_only_one_setting_is_printed(capsys):
    if sys.platform != "linux":
        pytest.skip("reads the status of a Linux process")
    memory.main([*SMALL, "--only", "G, whole batch"])
    assert json.loads(capsys.readouterr().out)["kept_bytes"] > 0


def test_failed_setting_is_named(monkeypatch, capsys):
    failed = SimpleNamespace(returncode=1, stdout="", stderr="...\nRuntimeError: out of memory\n")
    monkeypatch.setattr(memory.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SystemExit, match="2"):
        memory.main(SMALL)
    assert "plain step: RuntimeError: out of memory" in capsys.readouterr().err
