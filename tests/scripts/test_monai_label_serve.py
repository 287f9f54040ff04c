"""The app's folder and the server's command, without a server."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from scripts.monai_label.serve import APP, NAME, ROOT, main, make_app, server_command


@pytest.fixture
def folder(tmp_path):
    """A folder that the app has been copied to."""
    (tmp_path / APP).mkdir()
    (tmp_path / APP / "main.py").touch()
    return tmp_path


def test_bundles_are_linked_once(folder):
    for _ in range(2):
        app = make_app(folder, [(NAME, ROOT)])
    assert app == folder / APP and (app / "model" / NAME).resolve() == ROOT


def test_a_folder_without_inference_config(folder):
    with pytest.raises(ValueError, match=r"must hold configs/inference.json or .yaml, found none"):
        make_app(folder, [("empty", folder)])


def test_a_name_that_is_taken(folder):
    (folder / APP / "model" / NAME).mkdir(parents=True)
    with pytest.raises(ValueError, match=rf"{NAME}: the name is taken by .*; use another --app"):
        make_app(folder, [(NAME, ROOT)])


def test_the_server_asks_no_zoo():
    command = server_command(Path("/app"), Path("/studies"), ["one", "two"], "127.0.0.1", 81)
    assert command[0] == sys.executable and command[command.index("models") + 1] == "one,two"
    assert command[command.index("zoo_source") + 1] != "monaihosting" and command[command.index("--port") + 1] == "81"


def test_mistakes_on_the_command_line(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"has no MONAI Label; run: make monai-label"):
        main(["--studies", str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(SystemExit, match=r"error: .*none: the folder of the studies does not exist"):
        main(["--studies", str(tmp_path / "none")])
