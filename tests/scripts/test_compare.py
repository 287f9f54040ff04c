from __future__ import annotations

import sys

import pytest
import yaml

from bundle.compare import Cell, Combination
from scripts import compare


@pytest.fixture
def combinations(tmp_path, monkeypatch):
    """Replace the cells of any plan by two pairs of small programs, of which the second training fails."""
    made = []
    for method, code in (("fine", "pass"), ("broken", "raise ValueError('weights are missing')")):
        folder = tmp_path / "work" / method
        training = Cell("train", "c", method, "g", 0, folder / "t", (sys.executable, "-c", code))
        made.append(
            Combination(training, Cell("evaluate", "c", method, "g", 0, folder / "e", (sys.executable, "-c", "")))
        )
    monkeypatch.setattr(compare, "make_combinations", lambda *args, **more: made)
    monkeypatch.setattr(compare, "write_tables", lambda folder, plan, made: [made[1].evaluation])
    return made


@pytest.fixture
def arguments(tmp_path):
    plan = {"cohorts": {"c": {"dataset_dir": str(tmp_path / "none")}}, "methods": ["unsup"], "seeds": [0]}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    return [str(tmp_path / "plan.yaml"), "--work_dir", str(tmp_path / "work"), "--output_dir", str(tmp_path / "out")]


def test_dry_run_prints_the_cells(combinations, arguments, capsys):
    combinations[0].training.mark_complete(1.0)
    compare.main([*arguments, "--dry_run"])
    assert capsys.readouterr().out.splitlines() == [
        "cached  t  train fine (g), c, seed 0",
        "to do   e  evaluate fine (g), c, seed 0",
        "to do   t  train broken (g), c, seed 0",
        "to do   e  evaluate broken (g), c, seed 0",
        "4 cells, 1 of them cached",
    ]
    assert not combinations[1].training.folder.exists()


def test_failure_is_told_and_sets_the_status(combinations, arguments, capsys, caplog):
    with caplog.at_level("INFO"), pytest.raises(SystemExit) as caught:
        compare.main(arguments)
    assert caught.value.code == 1
    assert "missing from the tables: evaluate broken (g), c, seed 0" in capsys.readouterr().out
    messages = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("failed: train broken (g)") and "weights are missing" in text for text in messages)
    assert any(text.startswith("evaluate fine (g), c, seed 0: done in") for text in messages)
    assert any(text.startswith("no comparison tables") and "results.csv" in text for text in messages)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(["--workers", "0"], "workers must be at least 1, got 0", id="workers"),
        pytest.param(["--methods", "ross"], "the plan has no method 'ross'; choose from unsup", id="method"),
        pytest.param([], "cohort 'c': no such datalist: ", id="datalist"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, tmp_path, capsys, more, message):
    with pytest.raises(SystemExit) as caught:
        compare.main([*arguments, *more])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists() and not (tmp_path / "work").exists()


def test_output_folder_that_is_a_file(arguments, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    with pytest.raises(SystemExit):
        compare.main(arguments)
    assert "out: the output folder cannot be made" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(combinations, arguments, monkeypatch):
    def interrupted(self, made):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare.CellRunner, "run", interrupted)
    with pytest.raises(SystemExit, match="stopped; the same command goes on from here"):
        compare.main(arguments)
