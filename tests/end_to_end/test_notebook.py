"""The notebook runs from cohort to report, and is kept without what a run leaves in it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "cohort_to_report.ipynb"


def test_the_stored_notebook_is_clean():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 5 and all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}  # no version of the one who ran it last
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Run the notebook in a root of its own, so that its results do not fall into the repository."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("bundle", "configs", "models", "scripts"):
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, folder / "output" / "notebook"


def _shown(notebook):
    """Kinds of what each code cell shows, streams left out."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [{kind for output in cell.outputs for kind in output.get("data", {})} for cell in code]


def test_pictures_tables_and_report_are_shown(executed):
    shown = _shown(executed[0])
    assert sum("image/png" in kinds for kinds in shown) == 4  # cohort, curves, overlays, new volume
    assert sum("text/markdown" in kinds for kinds in shown) == 1 and "text/html" in shown[-1]


def test_results_are_those_of_the_workflows(executed):
    folder = executed[1]
    with (folder / "evaluation" / "summary.csv").open() as file:
        rows = {(row["condition"], row["score"]) for row in csv.DictReader(file)}
    assert {("tumour", "attribution"), ("tumour", "intensity"), ("healthy", "attribution")} <= rows
    (result,) = (folder / "results").rglob("*_result.json")
    record = json.loads(result.read_text())
    thresholds = json.loads((folder / "evaluation" / "threshold.json").read_text())
    assert record["threshold"] == thresholds["thresholds"]["attribution"]
    assert record["model_sha256"] == thresholds["model_sha256"]
    assert (folder / "evaluation" / "report.html").stat().st_size > 100_000
