from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bundle.compare import Cell
from bundle.compare.map_tables import agreement_rows, dice_curve, dice_rows, histogram_rows
from bundle.compare.plan import Map, Method
from bundle.handlers import SaveMapsHandler, load_maps
from bundle.metrics import dice


@pytest.fixture
def cells(tmp_path):
    """Evaluations of two constrained trainings and an unconstrained one: maps of two patients and a healthy subject."""
    made = []
    for number, (method, estimator) in enumerate([("unsup", "g"), ("unsup", "eg"), ("no_cons", "")]):
        cell = Cell("evaluate", "c", method, estimator, 0, tmp_path / str(number), ())
        handler = SaveMapsHandler(cell.folder / "maps", ["attribution"])
        brain = torch.rand(1, 10, 10, generator=torch.Generator().manual_seed(0)) < 0.8
        for subject in range(3):
            generator = torch.Generator().manual_seed(10 * number + subject)
            score = torch.randn(1, 10, 10, generator=generator)
            item = {
                "subject": f"s{subject}",
                "condition": "tumour" if subject else "healthy",
                "label": int(subject > 0),
            }
            item["attribution_map"] = torch.where(brain, score, torch.finfo(torch.float32).min)
            item["mask"] = (torch.rand(1, 10, 10, generator=generator) < 0.3 * (subject > 0)).float()
            handler(SimpleNamespace(state=SimpleNamespace(batch=[item], output=[{}])))
        made.append(cell)
    return made


def maps(cell, subject):
    return load_maps(cell.folder / "maps" / f"{subject}.npz", ["attribution"])


def test_agreement_of_pathological_subjects(cells):
    pair = (Map("EG.G", "eg", "attribution"), Map("NO.G", "", "attribution"))
    plan = SimpleNamespace(
        cohorts=[SimpleNamespace(name="c")],
        methods=[Method("unsup", "unsup", ("g", "eg"), {}), Method("no_cons", "no_cons", ("",), {})],
        seeds=[0],
        agreement=[pair],
    )
    rows = list(agreement_rows(plan, cells))
    assert [(row["method"], row["map_1"], row["map_2"], row["subject"]) for row in rows] == [
        ("unsup", "EG.G", "NO.G", "s1"),
        ("unsup", "EG.G", "NO.G", "s2"),
    ]
    for row in rows:
        first, second = (maps(cell, row["subject"]).scores["attribution"].astype(np.float64) for cell in cells[1:])
        covariance = np.mean((first - first.mean()) * (second - second.mean()))
        assert row["pearson"] == pytest.approx(covariance / (first.std() * second.std()), abs=1e-12)
    assert list(agreement_rows(plan, cells[:2])) == [], "a pair with a missing evaluation is left out"


def test_dice_curve_is_the_dice_of_each_mask(cells):
    subject = maps(cells[0], "s1")
    thresholds = np.array([-9.0, -0.5, 0.0, float(subject.scores["attribution"][3]), 9.0], dtype=np.float32)
    outside = torch.ones(subject.outside_lesion)
    expected = [
        dice(
            torch.cat([torch.from_numpy(subject.scores["attribution"] >= threshold).float(), 0 * outside]),
            torch.cat([torch.from_numpy(subject.lesion).float(), outside]),
        )
        for threshold in thresholds
    ]
    np.testing.assert_allclose(dice_curve(subject, "attribution", thresholds), expected, atol=1e-15)


def test_thresholds_call_the_same_shares(cells):
    rows = list(dice_rows(["attribution"], cells[:1]))
    thresholds = np.array([row["threshold"] for row in rows])
    assert len(rows) == 60 and (np.diff(thresholds) >= 0).all()
    pooled = np.concatenate([maps(cells[0], f"s{number}").scores["attribution"] for number in range(3)])
    assert thresholds[0] == pooled.min() and thresholds[-1] == pooled.max()
    shares = [(pooled >= threshold).mean() for threshold in thresholds]
    np.testing.assert_allclose(shares, np.geomspace(1, 1e-4, 60), atol=1.5 / len(pooled))
    curves = [dice_curve(maps(cells[0], f"s{number}"), "attribution", thresholds) for number in (1, 2)]
    np.testing.assert_allclose([row["dice_mean"] for row in rows], np.mean(curves, axis=0))
    np.testing.assert_allclose([row["dice_sd"] for row in rows], np.std(curves, axis=0, ddof=1))


def test_every_brain_voxel_is_counted_once(cells):
    rows = list(histogram_rows(["attribution"], cells[:1]))
    subjects = [maps(cells[0], f"s{number}") for number in range(3)]
    groups = {
        "healthy": subjects[0].scores["attribution"],
        "patient_outside": np.concatenate([s.scores["attribution"][~s.lesion] for s in subjects[1:]]),
        "lesion": np.concatenate([s.scores["attribution"][s.lesion] for s in subjects[1:]]),
    }
    for group, values in groups.items():
        bins = [row for row in rows if row["group"] == group]
        assert sum(row["count"] for row in bins) == len(values)
        assert sum(row["count"] for row in bins if row["bin_left"] >= 0) == (values >= 0).sum()
        assert bins[0]["bin_left"] == -bins[-1]["bin_right"] and 0.0 in [row["bin_left"] for row in bins]


def test_maps_that_are_gone(tmp_path):
    cell = Cell("evaluate", "c", "unsup", "g", 0, tmp_path, ())
    with pytest.raises(FileNotFoundError, match=r"maps: no maps of evaluate unsup \(g\), c, seed 0; delete"):
        list(dice_rows(["attribution"], [cell]))


def test_maps_of_different_brains(cells):
    file = cells[1].folder / "maps" / "s1.npz"
    with np.load(file) as content:
        changed = {**content, "brain": ~content["brain"]}
    np.savez(file, **changed)
    pair = (Map("G.G", "g", "attribution"), Map("EG.G", "eg", "attribution"))
    plan = SimpleNamespace(
        cohorts=[SimpleNamespace(name="c")],
        methods=[Method("unsup", "unsup", ("g", "eg"), {})],
        seeds=[0],
        agreement=[pair],
    )
    with pytest.raises(ValueError, match=r"s1: two maps must be of one brain"):
        list(agreement_rows(plan, cells))
