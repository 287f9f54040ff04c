"""A small shortcut experiment: cells of two methods at two ties, as a comparison leaves them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import torch

from bundle.anomaly import OUTSIDE_BRAIN
from bundle.compare.tables import write_table
from bundle.handlers import SaveMapsHandler

PATIENTS = {f"{person}_{number}": person for person in ("h0", "h1", "p0", "p1") for number in range(2)}
COLUMNS = ("cohort", "method", "estimator", "seed", "kind", "complete", "folder")


def write_test(folder, wrong, outside=0.25):
    """Write an evaluation in which some subjects are decided wrongly, and maps with a share outside the lesion."""
    rows = []
    for subject, person in PATIENTS.items():
        label = int(person.startswith("p"))
        row = {"subject": subject, "patient": person, "label": label, "decision": abs(label - (subject in wrong))}
        rows.append({**row, "negative_fraction": 0.9})
        item = {"subject": subject, "patient": person, "condition": "tumour" if label else "healthy", "label": label}
        item["attribution_map"] = torch.tensor([[[1 - outside, outside, -7.0, OUTSIDE_BRAIN]]])
        item["mask"] = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]]) * label
        handler = SaveMapsHandler(folder / "maps", ["attribution"])
        handler(SimpleNamespace(state=SimpleNamespace(batch=[item], output=[{}])))
    (folder / "evaluation.json").write_text(json.dumps({"subjects": rows}))


def write_shortcut(folder: Path) -> tuple[Path, Path]:
    """Write a comparison in which no_cons loses a slice of each patient and unsup of one; return it and its cells."""
    wrong = {
        ("tie_0", "unsup"): ["h0_0"],
        ("tie_0", "no_cons"): ["h0_0", "p0_0"],
        ("tie_1", "unsup"): [],
        ("tie_1_broken", "unsup"): ["p1_1"],
        ("tie_1", "no_cons"): [],
        ("tie_1_broken", "no_cons"): ["h0_1", "h1_1", "p0_1", "p1_1"],
    }
    cells = []
    for (cohort, method), subjects in wrong.items():
        for seed in (0, 1):
            name = f"{cohort}_{method}_{seed}"
            write_test(folder / "work" / "cells" / name, subjects, outside=0.5 if method == "no_cons" else 0.25)
            place = {"cohort": cohort, "method": method, "estimator": "", "seed": seed, "folder": name}
            cells += [{**place, "kind": kind, "complete": 1} for kind in ("train", "evaluate")]
    write_table(folder / "results" / "cells.csv", COLUMNS, cells)
    return folder / "results", folder / "work"


def change_cells(folders, **changes):
    """Change the rows of cells.csv of one cohort."""
    path = folders[0] / "cells.csv"
    with path.open(newline="") as file:
        rows = [{**row, **changes.get(row["cohort"], {})} for row in csv.DictReader(file)]
    write_table(path, COLUMNS, rows)
