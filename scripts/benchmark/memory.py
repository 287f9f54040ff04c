"""Measure the memory of a training step and of a map, and predict that of the paper's setting at 1 mm.

On a GPU the peak is the allocator's, on a processor that of the resident memory, above what is in use before the step,
each setting in a process of its own. What autograd keeps for the backward pass is counted apart: it grows with the
voxels and the images, so it is scaled to full size (182 x 218 x 182, batch 5, width 64) and the weights, their
gradients and Adam's two moments are added. That is an estimate from below: buffers that live during a single operation
are not in it.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from bundle.data.files import write_text_atomically
from bundle.networks import AttributionNet
from scripts.benchmark import measuring, training_step

BYTES_PER_WEIGHT = 4 * 4  # float32 weight, gradient and two moments of Adam


def make_functions(args: argparse.Namespace) -> dict[str, measuring.Function]:
    """Make the training steps, and the passes at inference."""
    network = AttributionNet(measuring.make_classifier(args)).eval()
    images = measuring.draw_images(args)
    return {
        **training_step.make_steps(args),
        "inference, forward pass": torch.no_grad()(lambda: network.classifier(images)),
        "inference, logit and map": torch.no_grad()(lambda: network(images)),
    }


def kept_bytes(function: measuring.Function) -> int:
    """Return the size of all tensors that autograd keeps in a call, each storage once and without parameters."""
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function()
    return sum(storage.nbytes() for storage in storages.values())


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
    """Measure one setting in this process: the peak first, because counting holds on to tensors."""
    function = make_functions(args)[args.only]
    peak = peak_bytes(function, args.device)
    return {"name": args.only, "peak_bytes": peak, "kept_bytes": kept_bytes(function)}


def predicted_bytes(args: argparse.Namespace, kept: int) -> int | None:
    """Scale what is kept to the paper's setting at 1 mm; None where the width or the dimension is another."""
    if args.channels != measuring.FULL_WIDTH or len(args.spatial_size) != 3 or kept == 0:
        return None
    scale = math.prod(measuring.FULL_SIZE_1MM) / math.prod(args.spatial_size)
    weights = sum(parameter.numel() for parameter in measuring.make_classifier(args).parameters())
    return round(kept * scale * measuring.PAPER_BATCH / args.batch_size) + BYTES_PER_WEIGHT * weights


def measure_apart(args: argparse.Namespace, arguments: list[str]) -> list[dict[str, Any]]:
    """Measure every setting in a process of its own."""
    rows = []
    for name in make_functions(args):
        command = [sys.executable, "-m", "scripts.benchmark.memory", *arguments, "--only", name]
        output = subprocess.run(command, capture_output=True, text=True, check=False)
        if output.returncode != 0:
            raise ValueError(f"{name}: {(output.stderr.strip().splitlines() or ['no message'])[-1]}")
        row = json.loads(output.stdout)
        rows.append({**row, "predicted_bytes": predicted_bytes(args, row["kept_bytes"])})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the record as Markdown."""
    plain = rows[0]
    lines = [
        "| | peak, GB | x plain step | kept for backward, GB | x plain step | estimate at 1 mm, batch 5, GB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        predicted = "" if row["predicted_bytes"] is None else f"{row['predicted_bytes'] / 1e9:.1f}"
        lines.append(
            f"| {row['name']} | {row['peak_bytes'] / 1e9:.2f} | {row['peak_bytes'] / plain['peak_bytes']:.2f} | "
            f"{row['kept_bytes'] / 1e9:.2f} | {row['kept_bytes'] / plain['kept_bytes']:.2f} | {predicted} |"
        )
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
        record = {**measuring.describe(args), "rows": measure_apart(args, arguments)}
    except ValueError as error:
        parser.error(str(error))
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    print("\n".join([measuring.headline(record), "", table(record["rows"]), f"written to {args.output}"]))


if __name__ == "__main__":
    main()
