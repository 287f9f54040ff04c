from __future__ import annotations

import csv

import pytest

SUBJECTS = [f"s{number}" for number in range(8)]
# Dice of each subject; Unsup's is seed 1, and seed 2 lies 0.02 above. Sup and Ross differ in one direction from it,
# Erion in both, with the same mean: exact p-values 2/256 and 2/256, and one near 1.
UNSUP = [0.50, 0.52, 0.54, 0.56, 0.44, 0.46, 0.48, 0.50]
DICE = {
    ("unsup", "g", "1"): UNSUP,
    ("unsup", "g", "2"): [value + 0.02 for value in UNSUP],
    ("sup", "g", "1"): [value + 0.2 for value in UNSUP],
    ("ross", "g", "1"): [value - 0.1 for value in UNSUP],
    ("erion", "eg", "1"): [value + 0.01 + sign * 0.05 for value, sign in zip(UNSUP, [1, -1] * 4, strict=True)],
}
AUPRC = {
    ("unsup", "g", "1"): 0.40,
    ("unsup", "g", "2"): 0.44,
    ("sup", "g", "1"): 0.70,
    ("ross", "g", "1"): 0.30,
    ("erion", "eg", "1"): 0.20,
}


def write_rows(path, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def toy_rows():
    """Rows of results.csv and of subjects.csv of a small comparison, to be changed and written."""
    results, subjects = [], []
    for (method, estimator, seed), values in DICE.items():
        place = {"cohort": "toy", "method": method, "estimator": estimator, "seed": seed, "condition": "tumour"}
        key = (method, estimator, seed)
        for metric, value in (("dice", sum(values) / 8), ("dice_sd", 0.04), ("auprc", AUPRC[key]), ("auroc", 0.9)):
            results.append({**place, "score": "attribution", "metric": metric, "value": value})
        for metric, value in (("tpr", 1.0), ("tnr", 0.75)):
            results.append({**place, "condition": "all", "score": "", "metric": metric, "value": value})
        for metric, value in (("dice", 0.25), ("auprc", 0.5)):
            results.append({**place, "score": "intensity", "metric": metric, "value": value})
        for subject, value in zip(SUBJECTS, values, strict=True):
            entry = {**place, "subject": subject, "patient": "", "score": "attribution"}
            subjects.append({**entry, "metric": "dice", "value": value})
    return results, subjects


@pytest.fixture
def write_toy(tmp_path):
    """Write rows as the files of a comparison and return their folder."""

    def write(results, subjects, **others):
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        for name, rows in {"results": results, "subjects": subjects, **others}.items():
            write_rows(folder / f"{name}.csv", rows)
        return folder

    return write
