from __future__ import annotations

import pytest

from scripts.compare_tables import main


@pytest.fixture
def results_dir(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "results.csv").write_text(
        "cohort,method,estimator,seed,condition,score,metric,value\ntoy,unsup,g,0,ms,attribution,dice,0.25\n"
    )
    (folder / "subjects.csv").write_text(
        "cohort,method,estimator,seed,condition,subject,patient,score,metric,value\n"
        "toy,unsup,g,0,ms,s,p,attribution,dice,0.25\n"
    )
    return folder


@pytest.mark.parametrize("arguments", [[], ["--output_dir", "elsewhere"]], ids=["beside", "elsewhere"])
def test_paths_are_printed(results_dir, arguments, capsys, monkeypatch):
    monkeypatch.chdir(results_dir)
    main([".", *arguments])
    folder = results_dir / "elsewhere" if arguments else results_dir
    printed = capsys.readouterr().out.split()
    assert [results_dir / line for line in printed] == [
        folder / name for name in ("comparison.md", "table_4.tex", "significance.csv")
    ]
    assert "| Unsup | **0.250** (0.25 ± 0.16) |" in (folder / "comparison.md").read_text()


def test_absent_file_is_named_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: a comparison must have results\.csv, no such file: .*$") as error:
        main([str(tmp_path), "--output_dir", str(tmp_path / "out")])
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()
