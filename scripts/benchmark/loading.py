"""Time how long a training waits for its batches, and how long it works on them.

The training is that of configs/train.yaml, with loader processes or with configs/gpu_cache.yaml over it, on as many
images of a cohort as the iterations take. It saves nothing but the times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from monai.bundle import ConfigParser
from monai.utils import set_determinism

from bundle.conventions import HEALTHY, LABEL
from bundle.data.files import write_text_atomically
from bundle.data.records import load_datalist
from scripts.benchmark import measuring

TRAIN, GPU_CACHE = "configs/train.yaml", "configs/gpu_cache.yaml"
WARM_UP = 3  # iterations that do not count: loader processes start, and memory is taken


class IterationTimes:
    """Note how long each iteration waits for its batch, and how long it works on it, for a trainer on any device."""

    def __init__(self) -> None:
        self.waiting_s: list[float] = []
        self.working_s: list[float] = []
        self._since = 0.0

    def attach(self, engine: Engine) -> None:
        """Register on ``engine``."""
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._lap)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, lambda: self.waiting_s.append(self._lap()))
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: self.working_s.append(self._lap()))

    def _lap(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        since, self._since = self._since, time.perf_counter()
        return self._since - since


def choose_images(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Take as many healthy and pathological training images as the iterations need.

    Raises:
        ValueError: When the cohort has fewer.
    """
    entries = load_datalist(args.dataset_dir / "datalist.json", "training")
    needed = (WARM_UP + args.iterations) * args.batch_size // 2
    healthy = [entry for entry in entries if entry[LABEL] == HEALTHY][:needed]
    pathological = [entry for entry in entries if entry[LABEL] != HEALTHY][:needed]
    if min(len(healthy), len(pathological)) < needed:
        raise ValueError(
            f"{WARM_UP} + {args.iterations} iterations of {args.batch_size} images need {needed} healthy and {needed} "
            f"pathological images, {args.dataset_dir} has {len(healthy)} and {len(pathological)} for training"
        )
    return healthy + pathological


def train(args: argparse.Namespace, images: list[dict[str, Any]], files: list[str], workers: int) -> IterationTimes:
    """Train on the images once and return the times of the iterations."""
    parser = ConfigParser()
    parser.read_config(files)
    changes = {"device": torch.device(args.device), "batch_size": args.batch_size, "num_workers": workers}
    changes |= {"max_epochs": 1, "train::dataset::data": images, "train::handlers": []}
    parser.update({**changes, **({"grid_shape": args.grid_shape} if args.grid_shape else {})})
    parser.get_parsed_content("imports")
    set_determinism(args.seed)
    trainer = parser.get_parsed_content("train::trainer")
    times = IterationTimes()
    times.attach(trainer)
    ProgressBar().attach(trainer)
    trainer.run()
    return times


def measure(args: argparse.Namespace) -> measuring.Record:
    """Run the trainings one after the other and return the record."""
    images = choose_images(args)
    ways = {f"loader processes: {count}": ([TRAIN], count) for count in args.workers}
    ways["kept and augmented on the device"] = ([TRAIN, GPU_CACHE], 0)
    rows: list[dict[str, Any]] = []
    for name, (files, workers) in ways.items():
        times = train(args, images, files, workers)
        rows.append({"name": name, "waiting_s": times.waiting_s[WARM_UP:], "working_s": times.working_s[WARM_UP:]})
    return {**measuring.describe(args), "rows": rows}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = ["| | waiting, s | working, s | share of waiting |", "|---|---|---|---|"]
    for row in rows:
        waiting, working = sum(row["waiting_s"]), sum(row["working_s"])
        medians = (f"{statistics.median(row[key]):.3f}" for key in ("waiting_s", "working_s"))
        lines.append(f"| {row['name']} | {' | '.join(medians)} | {waiting / (waiting + working):.1%} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print."""
    parser = measuring.make_base_parser("loading", __doc__)
    parser.add_argument("--dataset_dir", type=Path, required=True, help="cohort, such as make_cohort writes")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="loader processes; default: 0 1 2")
    parser.add_argument("--iterations", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--grid_shape", type=int, nargs=3, help="voxels of the grid; default: that of train.yaml")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    try:
        record = measure(args)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    print(f"{record['hardware']}, {args.threads} threads, load average {record['load_average'][0]:.1f}\n")
    print(f"{table(record['rows'])}\nwritten to {args.output}")


if __name__ == "__main__":
    main()
