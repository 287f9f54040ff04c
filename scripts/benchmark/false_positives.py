"""Check by repeated draws that thresholds from healthy images alone keep their promise about false positives.

The maps of all healthy subjects of a datalist's sections are made once. Every draw then takes some of the subjects at
random to choose the threshold on and another one as the new subject, and notes whether more than the allowed volume is
called anomalous in it. The share of draws in which it is should not exceed the risk that was asked for. One new
subject a draw makes the draws independent, so that the interval is the binomial one (Clopper-Pearson, 95 %); the mean
over all subjects that were left out is a more exact estimate without an interval.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from scipy.stats import binomtest
from tqdm import tqdm

from bundle.anomaly import HealthySubjects, conformal_rank, conformal_threshold
from bundle.conventions import HEALTHY, LABEL
from bundle.data import load_datalist
from bundle.data.files import file_sha256, write_text_atomically
from bundle.handlers.calibration import add_healthy_item, person
from bundle.handlers.items import decollated_items

CONFIDENCE = 0.95


def healthy_entries(datalist: Path, sections: Sequence[str], limit: int | None) -> list[dict[str, Any]]:
    """Return the healthy images of some sections, of the first ``limit`` persons."""
    entries = [entry for name in sections for entry in load_datalist(datalist, name) if entry[LABEL] == HEALTHY]
    persons = list(dict.fromkeys(person(entry) for entry in entries))[:limit]
    return [entry for entry in entries if person(entry) in set(persons)]


def smallest_thresholds(
    config_files: Sequence[str],
    overrides: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    score: str,
    volumes_ml: Sequence[float],
) -> dict[float, list[float]]:
    """Run the validation evaluator of evaluate.yaml over healthy images.

    Args:
        config_files: evaluate.yaml, and overlays of it.
        overrides: entries of the config to replace.
        entries: healthy images.
        score: anomaly map.
        volumes_ml: volumes that may be called in a healthy subject.

    Returns:
        Volume -> the smallest threshold of every person at which no more than that is called.
    """
    parser = ConfigParser()
    parser.read_config(list(config_files))
    parser.update({**overrides, "scores": [score], "validation::dataset::data": list(entries)})
    parser["validation::handlers"] = [
        handler for handler in parser["validation::handlers"] if "ThresholdCalibration" not in handler["_target_"]
    ]
    evaluator = parser.get_parsed_content("validation::evaluator")
    collected = {volume: HealthySubjects(volume, risk=0.5) for volume in volumes_ml}  # its risk is not used
    with tqdm(total=len(entries), desc="healthy images") as bar:

        def collect(engine: Engine) -> None:
            for item in decollated_items(engine):
                for subjects in collected.values():
                    add_healthy_item(subjects, item, [score])
                bar.update()

        evaluator.add_event_handler(Events.ITERATION_COMPLETED, collect)
        evaluator.run()
    return {volume: subjects.smallest_thresholds(score) for volume, subjects in collected.items()}


def simulate(
    smallest: NDArray[np.float64], subjects: int, risk: float, draws: int, random: np.random.Generator
) -> dict[str, Any]:
    """Choose a threshold on some subjects and try it on another one, many times.

    Args:
        smallest: smallest threshold of every person.
        subjects: persons to choose the threshold on.
        risk: probability with which a new person may exceed the volume.
        draws: number of repeats.
        random: generator of the draws.

    Raises:
        ValueError: When no person is left over, or there are too few for the risk.
    """
    if subjects >= len(smallest):
        raise ValueError(f"subjects must leave a new one of {len(smallest)}, got {subjects}. Use more healthy images.")
    rank = conformal_rank(subjects, risk)
    exceeded, rates = 0, []
    for _ in range(draws):
        order = random.permutation(smallest)
        above = order[subjects:] > conformal_threshold(order[:subjects].tolist(), risk)
        exceeded += int(above[0])
        rates.append(float(above.mean()))
    interval = binomtest(exceeded, draws).proportion_ci(CONFIDENCE, method="exact")
    return {
        "subjects": subjects,
        "risk": risk,
        "rank": rank,
        "expected_rate": (subjects + 1 - rank) / (subjects + 1),
        "draws": draws,
        "exceeded": exceeded,
        "rate": exceeded / draws,
        "rate_low": float(interval.low),
        "rate_high": float(interval.high),
        "rate_of_all_left_out": math.fsum(rates) / draws,
        "holds": bool(interval.low <= risk),
    }


def table(record: Mapping[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        f"{record['persons']} healthy subjects, score {record['score']}, {record['draws']} draws",
        "",
        "| allowed, ml | subjects n | risk q | rank of n | exact rate, no ties | exceeded | 95 % interval | "
        "all left out | rate <= q |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['false_positive_ml']:g} | {row['subjects']} | {row['risk']:g} | {row['rank']} | "
        f"{row['expected_rate']:.3f} | {row['exceeded']} of {row['draws']} = {row['rate']:.3f} | "
        f"{row['rate_low']:.3f} to {row['rate_high']:.3f} | {row['rate_of_all_left_out']:.3f} | "
        f"{'yes' if row['holds'] else 'NO'} |"
        for row in record["rows"]
    ]
    return "\n".join([*lines, *(f"left out: {reason}" for reason in record["left_out"])])


def check(args: argparse.Namespace) -> dict[str, Any]:
    """Make the maps, draw, and return the record."""
    datalist = args.dataset_dir / "datalist.json"
    entries = healthy_entries(datalist, args.sections, args.limit)
    if not entries:
        raise ValueError(
            f"{datalist}: {', '.join(args.sections)} must hold healthy images, got 0. Name other sections."
        )
    overrides = {} if args.model_file is None else {"model_file": str(args.model_file)}
    smallest = smallest_thresholds(args.config_file, overrides, entries, args.score, args.false_positive_ml)
    random = np.random.default_rng(args.seed)
    rows, left_out = [], []
    for volume, values in smallest.items():
        for subjects in args.subjects:
            for risk in args.risks:
                try:
                    row = simulate(np.array(values), subjects, risk, args.draws, random)
                    rows.append({"false_positive_ml": volume, **row})
                except ValueError as error:
                    left_out.append(f"{volume:g} ml, n = {subjects}, q = {risk:g}: {error}")
    return {
        "datalist_sha256": file_sha256(datalist),
        "score": args.score,
        "persons": len(next(iter(smallest.values()))),
        "images": len(entries),
        "draws": args.draws,
        "seed": args.seed,
        "rows": rows,
        "left_out": left_out,
        "smallest_thresholds": {f"{volume:g} ml": values for volume, values in smallest.items()},
    }


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print; the exit status is 1 when a rate is above its risk."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark.false_positives",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset_dir", type=Path, help="folder with a datalist.json")
    parser.add_argument("--sections", nargs="+", default=["test"], help="sections to take healthy images from")
    parser.add_argument("--limit", type=int, help="use the first so many persons only")
    parser.add_argument("--model_file", type=Path, help="weights; default: those of the config")
    parser.add_argument(
        "--config_file", nargs="+", default=["configs/evaluate.yaml"], help="and overlays; default: %(default)s"
    )
    parser.add_argument("--score", default="attribution", help="anomaly map; default: %(default)s")
    parser.add_argument("--false_positive_ml", type=float, nargs="+", default=[10.0], help="default: %(default)s")
    parser.add_argument("--risks", type=float, nargs="+", default=[0.05, 0.1, 0.2], help="default: %(default)s")
    parser.add_argument("--subjects", type=int, nargs="+", default=[20, 50], help="default: %(default)s")
    parser.add_argument("--draws", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("output/benchmark/false_positives.json"), help="default: %(default)s"
    )
    args = parser.parse_args(arguments)
    try:
        record = check(args)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    print(table(record))
    print(f"written to {args.output}")
    if not all(row["holds"] for row in record["rows"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
