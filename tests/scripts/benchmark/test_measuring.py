"""What the speed benchmarks share: counts of operations by hand, turns, ratios and refused options."""

from __future__ import annotations

import pytest
import torch

from scripts.benchmark import measuring


def options(*arguments: str):
    return measuring.make_parser("test", None).parse_args(["--device", "cpu", *arguments])


def test_operations_of_a_convolution_are_counted():
    x, weight = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(5, 3, 3, 3)
    forward = 2 * (2 * 5 * 6 * 6) * (3 * 3 * 3)  # two for every multiplication and its addition
    assert measuring.count_flops(lambda: torch.nn.functional.conv2d(x, weight)) == forward
    both = measuring.count_flops(lambda: torch.nn.functional.conv2d(x, weight).sum().backward())
    assert both == 2 * forward


def test_functions_take_turns_after_a_warm_up():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    times = measuring.time_in_turns(functions, 2, "cpu")
    assert "".join(calls) == "ababab"
    assert [len(times[name][clock]) for name in "ab" for clock in ("seconds", "cpu_seconds")] == [2] * 4


def test_ratios_are_those_of_the_same_turn(monkeypatch):
    times = {"a": {"seconds": [1.0, 2.0]}, "b": {"seconds": [3.0, 4.0]}}
    monkeypatch.setattr(measuring, "time_in_turns", lambda *_: times)
    monkeypatch.setattr(measuring, "count_flops", lambda function: function())
    rows = measuring.compare({"a": lambda: 10, "b": lambda: 25}, "a", 2, "cpu")
    assert [row["seconds_ratios"] for row in rows] == [[1.0, 1.0], [3.0, 2.0]]
    assert [row["flop_ratio"] for row in rows] == [1.0, 2.5]


def test_spread():
    assert measuring.spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--spatial_size", "8"], r"2 or 3 numbers, got \[8\]"),
        (["--batch_size", "1"], "at least 2, .* got 1"),
        (["--repeats", "0"], "at least 1, got 0"),
    ],
)
def test_options_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        measuring.check(options(*arguments))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_missing_gpu_is_named():
    with pytest.raises(ValueError, match="must be cpu where no GPU is found, got cuda:1"):
        measuring.check(options("--device", "cuda:1"))


@pytest.mark.parametrize("size", [["24", "24"], ["24", "24", "24"]], ids=["2d", "3d"])
def test_networks(size):
    arguments = ["--spatial_size", *size, "--channels", "4", "--threads", str(torch.get_num_threads())]
    patchgan = measuring.make_classifier(options(*arguments, "--norm", "none", "--channels_last"))
    assert [block.conv.out_channels for block in patchgan.blocks] == [4, 8, 16, 32, 1]
    memory_format = torch.channels_last if len(size) == 2 else torch.channels_last_3d
    assert patchgan.blocks[1].conv.weight.is_contiguous(memory_format=memory_format)
    configured = measuring.make_classifier(options(*arguments, "--network", "configured"))
    assert [block.conv.out_channels for block in configured.blocks] == [4, 8, 16, 1]
    assert configured.hinges.pooling == 2
