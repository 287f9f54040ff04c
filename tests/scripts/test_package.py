from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from bundle.data.files import file_sha256
from scripts import check_zoo, package

ROOT = Path(__file__).parents[2]
LOGGERS = ("bundle.deployment", "monai.apps", "monai.bundle.scripts", "monai.bundle.workflows")


@pytest.fixture(autouse=True)
def _levels():
    """Leave the loggers as they were: a command line tool sets them for the whole process."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_the_line_names_the_file_and_its_hash(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    package.main(["--output_dir", str(tmp_path), "--no_verify"])
    line = capsys.readouterr().out.strip()
    (archive,) = tmp_path.iterdir()
    found = re.fullmatch(rf"{re.escape(str(archive))}  (\d+\.\d) MB  sha256 (\w{{64}})", line)
    assert (
        found
        and found[2] == file_sha256(archive)
        and float(found[1]) == pytest.approx(archive.stat().st_size / 1e6, abs=0.06)
    )


def test_every_problem_has_a_line(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=r"^error: the address of the weights must begin with .*, got 'here'"):
        package.main(["--output_dir", str(tmp_path), "--weights_url", "here"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tool", [package, check_zoo])
def test_outside_a_bundle(tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SystemExit, match=r"^error: .*configs/metadata\.json: the file does not exist|^error: .*LICENSE"
    ):
        tool.main([])


def test_checks_stop_at_a_file_that_does_not_belong(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "volume.nii").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^error: models/volume\.nii: a bundle must hold"):
        check_zoo.main([])
