"""Reconstruction methods in a comparison: the files of their cells, and a whole table V of toy slices."""

from __future__ import annotations

import pytest

from bundle.compare import CellRunner, load_plan, make_combinations, write_tables
from bundle.report import write_comparison

RECONSTRUCTION = {
    "estimators": [],
    "train_overlays": ["configs/train_reconstruction.yaml"],
    "evaluate_overlays": ["configs/evaluate_reconstruction.yaml"],
    "overrides": {"network_def::image_size": [64, 64], "network_def::width": 4},
}
WIDTHS = {"network_def::classifier::channels": [4, 8, 8]}


@pytest.fixture
def plan_of(write_plan, content):
    content["overrides"] = {"device": "cpu"}
    content["scores"] = ["equalised"]

    def plan_of(*methods):
        content["methods"] = {"unsup": {"overrides": WIDTHS}, **dict.fromkeys(methods, RECONSTRUCTION)}
        return load_plan(write_plan(content))

    return plan_of


def files_of(cell):
    return cell.command[cell.command.index("--config_file") + 1].strip("[]").replace("'", "").split(",")


def test_files_of_the_cells(plan_of, tmp_path):
    ae, unsup = make_combinations(plan_of("ae"), tmp_path)
    assert files_of(ae.training) == [
        "configs/train.yaml",
        "configs/train_2d.yaml",
        "configs/train_reconstruction.yaml",
        "configs/train_reconstruction_2d.yaml",
        "configs/networks/ae.yaml",
        "configs/methods/ae.yaml",
    ]
    assert files_of(ae.evaluation) == [
        "configs/evaluate.yaml",
        "configs/evaluate_2d.yaml",
        "configs/evaluate_reconstruction.yaml",
        "configs/evaluate_reconstruction_2d.yaml",
        "configs/networks/ae.yaml",
        "configs/equalised.yaml",
    ]
    assert files_of(unsup.evaluation) == ["configs/evaluate.yaml", "configs/evaluate_2d.yaml", "configs/equalised.yaml"]
    for cell in ae.cells:
        assert cell.command[cell.command.index("--network_def#width") + 1] == "4"
    assert "--network_def#width" not in unsup.training.command


@pytest.mark.filterwarnings("ignore")  # those of MONAI's engines
def test_table_5_of_toy_slices(plan_of, tmp_path, in_process):
    plan = plan_of("ae", "silva_rodriguez")
    combinations = make_combinations(plan, tmp_path / "work")
    CellRunner(1, lambda outcome: None).run(combinations)
    assert sorted(in_process) == sorted(cell.name for made in combinations for cell in made.cells)
    assert write_tables(tmp_path / "tables", plan, combinations) == []
    write_comparison(tmp_path / "tables", tmp_path / "tables")
    text = (tmp_path / "tables" / "comparison.md").read_text()
    assert "## Table V: cohort tiny" in text and "Table IV" not in text
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    for row in ("Silva-Rodríguez", "AE", "Unsup", "Intensity threshold", "Equalised intensity threshold"):
        assert rows[row].count("0.") >= 3, row
    assert "0." not in rows["VAE"].split("(")[0]  # not in the plan
    assert (tmp_path / "tables" / "table_5.tex").is_file()
