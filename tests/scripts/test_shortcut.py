from __future__ import annotations

import csv

import pytest

from scripts.shortcut import main
from tests.shortcut_toy import write_shortcut


def test_command(tmp_path, capsys):
    results, work = write_shortcut(tmp_path)
    main([str(results), "--work_dir", str(work)])
    assert "| 1 | no_cons | 2 |" in capsys.readouterr().out
    with (results / "shortcut_seeds.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 8
    with (results / "shortcut.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["tie"], row["method"], row["saved"]) for row in rows][2:] == [
        ("1.0", "unsup", "0.375"),
        ("1.0", "no_cons", "nan"),
    ]
    assert {"shortcut.md", "shortcut.png", "shortcut.svg"} <= {path.name for path in results.iterdir()}


def test_command_tells_mistakes_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: no such file: .*cells\.csv\. Run scripts\.compare"):
        main([str(tmp_path)])
