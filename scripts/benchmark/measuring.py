"""What the speed and memory benchmarks share: options, the network, interleaved timing and the table."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bundle.networks import PatchGANClassifier

Function = Callable[[], Any]
Record = dict[str, Any]

FULL_WIDTH = 64


def make_base_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of every benchmark of a network."""
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.benchmark.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--batch_size", type=int, default=4, help="half healthy; default: %(default)s")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path(f"output/benchmark/{name}.json"), help="default: %(default)s"
    )
    return parser


def make_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of the benchmarks that draw their images."""
    parser = make_base_parser(name, description)
    parser.add_argument(
        "--network",
        choices=["patchgan", "configured"],
        default="patchgan",
        help="70x70 PatchGAN, or the network of configs/train.yaml with its hinges; default: %(default)s",
    )
    parser.add_argument(
        "--norm", choices=["batch", "group", "instance", "none"], default="group", help="of patchgan; default: group"
    )
    parser.add_argument("--channels", type=int, default=FULL_WIDTH, help="of the first layer; default: %(default)s")
    parser.add_argument(
        "--spatial_size", type=int, nargs="+", default=[64, 76, 64], help="2 or 3 numbers; default: 64 76 64"
    )
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--channels_last", action="store_true", help="weights in channels-last order")
    return parser


def check(args: argparse.Namespace) -> None:
    """Raise ValueError when options do not fit together or the machine."""
    if len(args.spatial_size) not in (2, 3):
        raise ValueError(f"--spatial_size must have 2 or 3 numbers, got {args.spatial_size}")
    if args.batch_size < 2:
        raise ValueError(f"--batch_size must be at least 2, for a healthy image and another, got {args.batch_size}")
    if args.repeats < 1:
        raise ValueError(f"--repeats must be at least 1, got {args.repeats}")
    if torch.device(args.device).type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device must be cpu where no GPU is found, got {args.device}")


def make_classifier(args: argparse.Namespace) -> PatchGANClassifier:
    """Make the classifier that is measured."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    dims = len(args.spatial_size)
    if args.network == "patchgan":
        widths = [args.channels * 2**i for i in range(4)]
        classifier = PatchGANClassifier(dims, 1, widths, norm=args.norm)
    else:
        parser = ConfigParser()
        parser.read_config("configs/train.yaml")
        widths = [args.channels * 2**i for i in range(len(parser["network_def::classifier::channels"]))]
        parser.update({"network_def::classifier::spatial_dims": dims, "network_def::classifier::channels": widths})
        classifier = parser.get_parsed_content("network_def::classifier")
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    order = formats[dims] if args.channels_last else torch.contiguous_format
    return classifier.to(args.device).to(memory_format=order)  # type: ignore[call-overload]


def draw_images(args: argparse.Namespace) -> torch.Tensor:
    """Draw a batch of images."""
    generator = torch.Generator().manual_seed(args.seed)
    return torch.randn(args.batch_size, 1, *args.spatial_size, generator=generator).to(args.device)


def time_in_turns(functions: Mapping[str, Function], repeats: int, device: str) -> dict[str, dict[str, list[float]]]:
    """Run each function once to warm up, then all of them in turns, so that other load on the machine meets all.

    Returns:
        Name -> ``"seconds"`` on the wall, and ``"cpu_seconds"`` that the process was given, of every repeat.
    """
    is_cuda = torch.device(device).type == "cuda"
    times: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "cpu_seconds": []} for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            if is_cuda:
                torch.cuda.synchronize()
            if repeat > 0:
                times[name]["seconds"].append(time.perf_counter() - wall)
                times[name]["cpu_seconds"].append(time.process_time() - cpu)
    return times


class _Operations(TorchDispatchMode):
    """Sum the formulas of PyTorch's FlopCounterMode, whose hooks on modules do not allow autograd.grad of an image."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and add its count."""
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.flops += int(flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out))
        return out


def count_flops(function: Function) -> int:
    """Count the floating-point operations of a call: those of convolutions and matrix products."""
    with torch.compiler.set_stance("force_eager"), _Operations() as operations:  # a compiled graph hides operations
        function()
    return operations.flops


def compare(functions: Mapping[str, Function], reference: str, repeats: int, device: str) -> list[Record]:
    """Time functions in turns, count their operations, and compare each with the reference of the same repeat."""
    flops = {name: count_flops(function) for name, function in functions.items()}
    times = time_in_turns(functions, repeats, device)
    rows = []
    for name, measured in times.items():
        row: Record = {"name": name, **measured, "flops": flops[name], "flop_ratio": flops[name] / flops[reference]}
        for clock, values in measured.items():
            base = times[reference][clock]
            row[f"{clock}_ratios"] = [value / other for value, other in zip(values, base, strict=True)]
        rows.append(row)
    return rows


def spread(values: Sequence[float]) -> str:
    """Write the median of values, with the smallest and the largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(rows: Sequence[Record], reference: str) -> str:
    """Return the rows of `compare` as Markdown."""
    lines = [f"| | seconds | x {reference} | x {reference}, CPU time | GFLOP | x {reference}, FLOP |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| {row['name']} | {statistics.median(row['seconds']):.3f} | {spread(row['seconds_ratios'])} | "
        f"{spread(row['cpu_seconds_ratios'])} | {row['flops'] / 1e9:.1f} | {row['flop_ratio']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def describe(args: argparse.Namespace) -> Record:
    """Return the options, the device and the versions for the record."""
    options = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    is_cuda = torch.device(args.device).type == "cuda"
    return {
        **options,
        "hardware": torch.cuda.get_device_name() if is_cuda else f"{platform.machine()} CPU",
        "torch": torch.__version__,
        "load_average": list(os.getloadavg()),
    }


def headline(record: Record) -> str:
    """Say in a line what was measured, and on what."""
    size = "x".join(map(str, record["spatial_size"]))
    network = record["network"] if record["network"] == "configured" else f"{record['network']}, {record['norm']} norm"
    return (
        f"{network}, width {record['channels']}, {size}, batch {record['batch_size']}, {record['hardware']}, "
        f"{record['threads']} threads, load average {record['load_average'][0]:.1f}, median of {record['repeats']} "
        "(min to max)"
    )
