"""Measure the memory of a training step and of a map.

On a GPU the peak is the allocator's, on a processor that of the resident memory, above what is in use before the step,
each setting in a process of its own. The largest size of all tensors that live at one time is counted apart: it leaves
out what the libraries use during a single operation, so it hardly depends on the device. The paper's setting at 1 mm
(--spatial_size 182 218 182 --batch_size 5) takes a processor minutes a step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from tqdm import tqdm

from bundle.data.files import write_text_atomically
from bundle.networks import AttributionNet
from scripts.benchmark import measuring, training_step


def make_functions(args: argparse.Namespace) -> dict[str, measuring.Function]:
    """Make the training steps, and the passes at inference."""
    network = AttributionNet(measuring.make_classifier(args)).eval()
    images = measuring.draw_images(args)
    return {
        **training_step.make_steps(args),
        "inference, forward pass": torch.no_grad()(lambda: network.classifier(images)),
        "inference, logit and map": torch.no_grad()(lambda: network(images)),
    }


class _LiveTensors(TorchDispatchMode):
    """Add up the tensors that operations make, each storage once and until it is freed.

    PyTorch's MemTracker has hooks on modules that do not allow autograd.grad of an image.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and add the storages that are new."""
        known = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
        out = func(*args, **(kwargs or {}))
        for tensor in (leaf for leaf in tree_leaves(out) if torch.is_tensor(leaf)):
            storage = tensor.untyped_storage()
            if storage._cdata not in known and storage._cdata not in self.sizes:
                self.sizes[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, storage._cdata)
        self.peak = max(self.peak, self.now)
        return out

    def _freed(self, address: int) -> None:
        self.now -= self.sizes.pop(address)


def tensor_bytes(function: measuring.Function) -> int:
    """Return the largest size that the tensors made during a call have together at any time."""
    with _LiveTensors() as tensors:
        function()
    return tensors.peak


def peak_bytes(function: measuring.Function, device: str) -> int:
    """Return by how much a call raises the memory above what is in use before it."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return torch.cuda.max_memory_allocated() - before
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    function()
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    """Read a field of the process's status, in bytes (Linux)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def measure_one(args: argparse.Namespace) -> dict[str, Any]:
    """Measure one setting in this process: the peak in the first call, in which Adam makes its moments."""
    function = make_functions(args)[args.only]
    peak = peak_bytes(function, args.device)
    return {"name": args.only, "peak_bytes": peak, "tensor_bytes": tensor_bytes(function)}


def measure_apart(args: argparse.Namespace, arguments: list[str]) -> dict[str, Any]:
    """Measure every setting in a process of its own; leave out those that fail, and say why.

    Raises:
        ValueError: When the plain step fails, with which the others are compared.
    """
    rows, left_out = [], []
    for name in tqdm(make_functions(args), unit="setting"):
        command = [sys.executable, "-m", "scripts.benchmark.memory", *arguments, "--only", name]
        output = subprocess.run(command, capture_output=True, text=True, check=False)
        if output.returncode == 0:
            rows.append(json.loads(output.stdout))
            continue
        reason = (output.stderr.strip().splitlines() or [f"ended with {output.returncode}, out of memory perhaps"])[-1]
        if name == training_step.PLAIN:
            raise ValueError(f"{name}: {reason}")
        left_out.append(f"{name}: {reason}")
    return {"rows": rows, "left_out": left_out}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    plain = rows[0]
    lines = [
        f"| | peak, GB | x {training_step.PLAIN} | tensors, GB | x {training_step.PLAIN} |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [[f"{row[key] / 1e9:.2f}", f"{row[key] / plain[key]:.2f}"] for key in ("peak_bytes", "tensor_bytes")]
        lines.append(f"| {' | '.join([row['name'], *cells[0], *cells[1]])} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print."""
    parser = measuring.make_parser("memory", __doc__)
    training_step.add_options(parser)
    parser.add_argument("--only", help="measure this setting in this process and print JSON; for the command itself")
    arguments = sys.argv[1:] if arguments is None else arguments
    args = parser.parse_args(arguments)
    try:
        measuring.check(args)
        if args.only is not None:
            print(json.dumps(measure_one(args)))
            return
        record = {**measuring.describe(args), **measure_apart(args, arguments)}
    except ValueError as error:
        parser.error(str(error))
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    print("\n".join([measuring.headline(record), "", table(record["rows"])]))
    print("\n".join([*(f"left out: {reason}" for reason in record["left_out"]), f"written to {args.output}"]))


if __name__ == "__main__":
    main()
