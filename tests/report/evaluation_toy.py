"""A small evaluation, written by the handlers themselves without a network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from monai.data import MetaTensor

from bundle.anomaly import AnomalyMapd, AnomalyThresholdd, save_thresholds
from bundle.handlers import EvaluationHandler
from bundle.handlers.report_slices import SaveReportSlicesHandler

SHAPE = (12, 14, 10)
AFFINE = torch.diag(torch.tensor([-4.0, 5.0, 6.0, 1.0]))  # the first axis runs to the left
SCORES = ("attribution", "intensity")
SUBJECTS = (
    ("a", "tumour", 2.0),
    ("b", "tumour", 1.0),
    ("c", "tumour", -1.5),
    ("d", "healthy", -2.0),
    ("e", "healthy", 0.25),
)


def make_item(subject: str, condition: str, logit: float, seed: int) -> dict[str, object]:
    """Build the item of a subject; patients have a bright ball, whose attribution is high, as their lesion."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij"))
    brain = (grid**2).sum(0) < 0.9
    lesion = ((grid - 0.2) ** 2).sum(0) < (0.0 if condition == "healthy" else 0.12)
    image = np.where(brain, rng.normal(size=SHAPE) + 2.0 * lesion, 0)
    attribution = 1e-4 * np.where(brain, rng.normal(size=SHAPE) - 0.5 + 3.0 * lesion, 0)
    item: dict[str, object] = {
        "subject": subject,
        "condition": condition,
        "label": int(condition != "healthy"),
        "logit": torch.tensor([logit]),
        "intensity": MetaTensor(torch.tensor(image[None], dtype=torch.float32), affine=AFFINE),
        "attribution": MetaTensor(torch.tensor(attribution[None], dtype=torch.float32), affine=AFFINE),
    }
    if condition != "healthy":
        item["mask"] = MetaTensor(torch.tensor(lesion[None].astype(np.uint8)), affine=AFFINE)
    return AnomalyThresholdd(SCORES, threshold=[1e-4, 1.5])(AnomalyMapd(SCORES)(item))


def write_evaluation(folder: Path, subjects=SUBJECTS, *, slices: bool = True) -> Path:
    """Write ``run`` with the files of an evaluation into a folder and return it."""
    model_file, threshold_file, run = folder / "model.pt", folder / "threshold.json", folder / "run"
    folder.mkdir(parents=True, exist_ok=True)
    model_file.write_bytes(b"weights")
    save_thresholds(
        threshold_file, model_file, dict(zip(SCORES, (1e-4, 1.5), strict=True)), {"source": "cohort <7>"}, 0.1
    )
    handlers = [EvaluationHandler(run, threshold_file, model_file, SCORES, source="toy & co")]
    if slices:
        handlers.append(SaveReportSlicesHandler(run / "report_slices", SCORES))
    items = [make_item(*subject, seed) for seed, subject in enumerate(subjects)]
    for handler in handlers:
        handler.started(None)
        for item in items:
            handler(SimpleNamespace(state=SimpleNamespace(batch=[item], output=[{}])))
    handlers[0].completed(None)
    return run
