"""The benchmark of memory: what autograd keeps, by hand; scaling; and the command's table."""

from __future__ import annotations

import json
import mmap
import sys
from types import SimpleNamespace

import pytest
import torch

from scripts.benchmark import measuring, memory, training_step

SMALL = ["--device", "cpu", "--channels", "8", "--norm", "group", "--spatial_size", "24", "24", "24"]
SMALL += ["--batch_size", "2", "--threads", str(torch.get_num_threads())]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads the status of a Linux process")


def options(*arguments: str):
    parser = measuring.make_parser("memory", None)
    training_step.add_options(parser)
    parser.add_argument("--only")
    return parser.parse_args([*SMALL, *arguments])


def test_live_tensors_are_counted_once_and_until_they_are_freed():
    before = torch.randn(1000)  # does not count

    def function() -> None:
        doubled = before * 2  # 1000 values
        view = doubled.view(10, 100)
        before.add_(1)
        del doubled
        torch.ones(500)  # 1500, because of the view
        del view
        kept = torch.ones(1200)
        torch.ones(700).add_(kept[:700])  # 1900

    assert memory.tensor_bytes(function) == 4 * 1900


def test_live_tensors_of_a_backward_pass_are_counted():
    weight = torch.nn.Parameter(torch.randn(1000))

    def step() -> None:
        (weight * weight).sum().backward()

    # At least the product and its derivative, the derivative of the weight and what it is added up from.
    assert 4 * 2000 <= memory.tensor_bytes(step) <= 4 * 4100


@linux_only
def test_peak_is_the_largest_size_at_any_time():
    def step() -> None:
        for _ in range(2):  # one after the other
            with mmap.mmap(-1, 64_000_000) as pages:  # a tensor could get memory that earlier tests have freed
                for start in range(0, len(pages), mmap.PAGESIZE):
                    pages[start] = 1

    assert memory.peak_bytes(step, "cpu") == pytest.approx(64e6, rel=0.2)


@linux_only
def test_command(tmp_path, monkeypatch, capsys):
    def run_here(command, **_):
        return SimpleNamespace(returncode=0, stdout=json.dumps(memory.measure_one(options("--only", command[-1]))))

    monkeypatch.setattr(memory.subprocess, "run", run_here)
    memory.main([*SMALL, "--output", str(tmp_path / "out.json")])
    record = json.loads((tmp_path / "out.json").read_text())
    assert len(record["rows"]) == 12 and record["left_out"] == []
    tensors = {row["name"]: row["tensor_bytes"] for row in record["rows"]}
    assert tensors["inference, forward pass"] < tensors["plain step"] < tensors["G, whole batch"]
    assert tensors["G, whole batch, checkpointing"] < tensors["G, whole batch"]
    assert tensors["G, whole batch"] < tensors["G, forward of its own, double backpropagation"]
    assert "| G, whole batch |" in capsys.readouterr().out


def test_only_one_setting_is_printed(capsys):
    if sys.platform != "linux":
        pytest.skip("reads the status of a Linux process")
    memory.main([*SMALL, "--only", "G, whole batch"])
    assert json.loads(capsys.readouterr().out)["tensor_bytes"] > 0


def test_failed_plain_step_ends_the_command(monkeypatch, capsys):
    failed = SimpleNamespace(returncode=1, stdout="", stderr="...\nRuntimeError: out of memory\n")
    monkeypatch.setattr(memory.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SystemExit, match="2"):
        memory.main(SMALL)
    assert "plain step: RuntimeError: out of memory" in capsys.readouterr().err


def test_other_setting_that_fails_is_left_out(tmp_path, monkeypatch, capsys):
    def run(command, **_):
        if command[-1] == "EG, whole batch":
            return SimpleNamespace(returncode=-9, stdout="", stderr="")  # killed
        row = {"name": command[-1], "peak_bytes": 2_000_000_000, "tensor_bytes": 1_000_000_000}
        return SimpleNamespace(returncode=0, stdout=json.dumps(row))

    monkeypatch.setattr(memory.subprocess, "run", run)
    memory.main([*SMALL, "--output", str(tmp_path / "out.json")])
    assert len(json.loads((tmp_path / "out.json").read_text())["rows"]) == 11
    printed = capsys.readouterr().out
    assert "| G, whole batch | 2.00 | 1.00 | 1.00 | 1.00 |" in printed
    assert "left out: EG, whole batch: ended with -9" in printed
