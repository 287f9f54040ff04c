from __future__ import annotations

import pytest

from bundle.report import page
from scripts.report import main
from tests.report.evaluation_toy import SUBJECTS, write_evaluation


def test_page_is_written_and_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(page, "evaluation_figures", lambda run: [])  # tests/report draws them
    folder = write_evaluation(tmp_path, SUBJECTS[:2], slices=False)
    main([str(folder)])
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_folder_without_an_evaluation(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: no such file: .*evaluation\.json\. Run evaluate\.yaml"):
        main([str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
