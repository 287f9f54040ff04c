"""Time the voxel metrics against scikit-learn on random maps, on one core, and compare their values.

Both sides compute AUPRC, AUROC, AUROC10 and the threshold of highest Dice, of every subject and of all voxels pooled.
The repeats take turns, so that other load on the machine meets both; the table gives the fastest of each. With --full,
subjects of 1 mm are drawn one at a time and only the bundle's metric runs: it shows the memory that it needs.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from bundle.data.files import write_text_atomically
from bundle.metrics import FPR_MAX, VoxelRanking

Values = dict[str, float]
Subject = tuple[torch.Tensor, torch.Tensor]

SHAPE_2MM = (91, 109, 91)
SHAPE_1MM = (182, 218, 182)
NAMES = ("auprc", "auroc", "auroc10", "best_dice")


def draw_subject(seed: int, index: int, shape: tuple[int, ...], lesion_fraction: float, decimals: int) -> Subject:
    """Draw a map of normally distributed scores, higher in the lesion, and its mask; every voxel is brain."""
    random = np.random.default_rng([seed, index])
    mask = random.random(shape, dtype=np.float32) < lesion_fraction
    score = random.standard_normal(shape, dtype=np.float32) + 1.5 * mask.astype(np.float32)
    return torch.from_numpy(score.round(decimals)), torch.from_numpy(mask)


def rank_here(subjects: Iterator[Subject]) -> Values:
    """Return the bundle's values: pooled, and the mean over subjects."""
    metric = VoxelRanking(region="brain")
    for score, mask in subjects:
        metric.update(([score], [mask]))
    return metric.compute()


def sklearn_values(mask: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> Values:
    """Return scikit-learn's values of one array of voxels."""
    fpr, tpr, _ = roc_curve(mask, score)
    inside = fpr <= FPR_MAX
    precision, recall, _ = precision_recall_curve(mask, score)
    return {
        "auprc": float(average_precision_score(mask, score)),
        "auroc": float(roc_auc_score(mask, score)),
        "auroc10": float(
            auc(np.append(fpr[inside], FPR_MAX), np.append(tpr[inside], np.interp(FPR_MAX, fpr, tpr))) / FPR_MAX
        ),
        "best_dice": float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))),
    }


def rank_with_sklearn(subjects: Iterator[Subject]) -> Values:
    """Return scikit-learn's values under the same names."""
    arrays = [(mask.numpy().ravel(), score.numpy().ravel()) for score, mask in subjects]
    each = [sklearn_values(*array) for array in arrays]
    masks, scores = zip(*arrays, strict=True)
    pooled = sklearn_values(np.concatenate(masks), np.concatenate(scores))
    return {**pooled, **{f"{name}_mean": math.fsum(values[name] for values in each) / len(each) for name in NAMES}}


def peak_memory_gb() -> float:
    """Return the largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def compare(subjects: list[Subject], repeats: int) -> dict[str, Any]:
    """Time both sides in turns and compare their values."""
    seconds: dict[str, list[float]] = {"bundle": [], "scikit-learn": []}
    values: dict[str, Values] = {}
    for _ in range(repeats):
        for name, function in (("bundle", rank_here), ("scikit-learn", rank_with_sklearn)):
            start = time.perf_counter()
            values[name] = function(iter(subjects))
            seconds[name].append(time.perf_counter() - start)
    peer = values["scikit-learn"]
    return {
        "seconds": seconds,
        "times_faster": min(seconds["scikit-learn"]) / min(seconds["bundle"]),
        "times_faster_by_repeat": [
            theirs / ours for ours, theirs in zip(seconds["bundle"], seconds["scikit-learn"], strict=True)
        ],
        "values": {name: {side: side_values[name] for side, side_values in values.items()} for name in peer},
        "largest_difference": max(abs(values["bundle"][name] - peer[name]) for name in peer),
    }


def stream(subjects: Iterator[Subject], draw_seconds: list[float]) -> dict[str, Any]:
    """Rank subjects that are drawn one at a time."""
    start = time.perf_counter()
    values = rank_here(subjects)
    elapsed = time.perf_counter() - start
    return {"seconds": elapsed - sum(draw_seconds), "draw_seconds": sum(draw_seconds), "values": values}


def draw_timed(args: argparse.Namespace, seconds: list[float]) -> Iterator[Subject]:
    """Draw the subjects and note how long each took."""
    for index in range(args.subjects):
        start = time.perf_counter()
        subject = draw_subject(args.seed, index, args.shape, args.lesion_fraction, args.decimals)
        seconds.append(time.perf_counter() - start)
        yield subject


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    shape = "x".join(map(str, record["shape"]))
    lines = [f"{record['subjects']} subjects of {shape}, {record['voxels'] / 1e6:.0f} million voxels, one core", ""]
    if "largest_difference" in record:
        ours, theirs = (min(record["seconds"][side]) for side in ("bundle", "scikit-learn"))
        lines += ["| | bundle | scikit-learn |", "|---|---|---|"]
        lines += [
            f"| {name} | {value['bundle']:.8f} | {value['scikit-learn']:.8f} |"
            for name, value in record["values"].items()
        ]
        lines += [
            f"| seconds, fastest of {len(record['seconds']['bundle'])} | {ours:.2f} | {theirs:.2f} |",
            "",
            f"{record['times_faster']:.1f} times faster, largest difference {record['largest_difference']:.1e}",
        ]
    else:
        lines += ["| | bundle |", "|---|---|"]
        lines += [f"| {name} | {record['values'][name]:.8f} |" for name in NAMES]
        lines += [f"| seconds, without drawing the maps | {record['seconds']:.1f} |"]
    return "\n".join([*lines, f"peak memory of the process {record['peak_memory_gb']:.2f} GB"])


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark.metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--subjects", type=int, default=49, help="default: %(default)s")
    parser.add_argument("--shape", type=int, nargs="+", help=f"default: {SHAPE_2MM}, or {SHAPE_1MM} with --full")
    parser.add_argument("--lesion_fraction", type=float, default=0.01, help="default: %(default)s")
    parser.add_argument("--decimals", type=int, default=8, help="decimals of the scores, fewer tie; default: 8")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--full", action="store_true", help="1 mm, one subject at a time, without scikit-learn")
    parser.add_argument(
        "--output", type=Path, default=Path("output/benchmark/metrics.json"), help="default: %(default)s"
    )
    args = parser.parse_args(arguments)
    args.shape = tuple(args.shape or (SHAPE_1MM if args.full else SHAPE_2MM))
    torch.set_num_threads(1)

    draw_seconds: list[float] = []
    subjects = draw_timed(args, draw_seconds)
    result = stream(subjects, draw_seconds) if args.full else compare(list(subjects), args.repeats)
    record = {
        "subjects": args.subjects,
        "shape": args.shape,
        "voxels": args.subjects * math.prod(args.shape),
        "lesion_fraction": args.lesion_fraction,
        "decimals": args.decimals,
        "seed": args.seed,
        **result,
        "peak_memory_gb": peak_memory_gb(),
    }
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    print(table(record))
    print(f"written to {args.output}")


if __name__ == "__main__":
    main()
