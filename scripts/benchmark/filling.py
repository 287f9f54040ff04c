"""Check the shortcut audit's filling against the truth: the same synthetic patient without the lesion.

The phantom renders a patient twice, with and without the lesion; brain and scan stay the same, only what a tumour
pushes aside lies where it was. The true lesion is filled, and the image logit is compared with that of the healthy
twin. Filling with the brain's median stands beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from tqdm import tqdm

from bundle.audit import fill_region
from bundle.conventions import IMAGE, split_prediction
from bundle.data import RobustNormalizeIntensityd
from bundle.data.phantom import draw_subject, render_subject
from bundle.handlers.saving import load_safely
from bundle.preflight import check_or_exit, check_weights
from bundle.report.tables import markdown_table

Image = NDArray[np.float32]


def load_network(config: Path, model_file: Path) -> torch.nn.Module:
    """Return the network of a workflow with its weights, in evaluation mode."""
    parser = ConfigParser()
    parser.read_config(config)
    network: torch.nn.Module = parser.get_parsed_content("network_def")
    check_or_exit(partial(check_weights, model_file, network))
    network.load_state_dict(load_safely(model_file))
    return network.eval()


def image_logit(network: torch.nn.Module, image: Image) -> float:
    """Return the image logit of a normalised volume."""
    with torch.no_grad():
        return float(split_prediction(network(torch.from_numpy(image)[None, None]))[1])


def twin_logits(logit: Callable[[Image], float], seed: int, index: int, condition: str) -> dict[str, float]:
    """Return the image logits of a patient, of its healthy twin, and of the patient with the lesion filled.

    Args:
        logit: image logit of a normalised volume.
        seed: seed of the cohort that the patient is of.
        index: number of the patient.
        condition: tumour or ms.
    """
    parameters = draw_subject(seed, index, condition)
    patient, twin = render_subject(parameters), render_subject(replace(parameters, lesions=None))
    normalise = RobustNormalizeIntensityd(IMAGE)
    images = [
        normalise({IMAGE: torch.from_numpy(subject.image[None])})[IMAGE][0].numpy() for subject in (patient, twin)
    ]
    lesion = patient.mask > 0
    filled = fill_region(
        images[0], patient.image > 0, lesion, np.zeros_like(lesion), np.random.default_rng([seed, index])
    )
    return {
        "patient": logit(images[0]),
        "twin": logit(images[1]),
        "filled": logit(filled),
        "median": logit(np.where(lesion, 0, images[0]).astype(np.float32)),
    }


def summary_row(condition: str, logits: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return mean falls of the logit, and mean absolute distances from the twin's."""

    def average(values: Sequence[float]) -> float:
        return float(np.mean(values))

    row: dict[str, Any] = {"condition": condition, "subjects": len(logits)}
    for name in ("twin", "filled", "median"):
        row[f"{name}_fall"] = average([found["patient"] - found[name] for found in logits])
        row[f"{name}_error"] = average([abs(found[name] - found["twin"]) for found in logits])
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, render the subjects and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark.filling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model_file", type=Path, default=Path("models/model.pt"), help="default: %(default)s")
    parser.add_argument("--config_file", type=Path, default=Path("configs/inference.yaml"), help="default: %(default)s")
    parser.add_argument("--subjects", type=int, default=16, help="patients of each condition, default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="seed of the patients, default: %(default)s")
    args = parser.parse_args(arguments)
    if args.subjects < 1:
        parser.error(f"--subjects must be at least 1, got {args.subjects}")
    logit = partial(image_logit, load_network(args.config_file, args.model_file))
    rows = []
    for condition in ("tumour", "ms"):
        indices = tqdm(range(args.subjects), desc=condition, unit="patient")
        rows.append(summary_row(condition, [twin_logits(logit, args.seed, index, condition) for index in indices]))
    columns = {
        "condition": "Condition",
        "subjects": "Patients",
        "twin_fall": "Fall to the healthy twin",
        "filled_fall": "Fall by filling",
        "filled_error": "Mean distance from the twin",
        "median_error": "The same, filled with the median",
    }
    print(markdown_table(columns, rows))


if __name__ == "__main__":
    main()
