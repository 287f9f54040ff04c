from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime

import monai
import pytest
import torch

from bundle import __version__
from bundle.handlers.provenance import save_provenance


def test_record(tmp_path, monkeypatch):
    (tmp_path / "data.json").write_bytes(b"[1]")
    monkeypatch.setattr(sys, "orig_argv", ["/somewhere/python", "-m", "tool", "--name", "two words"])
    save_provenance(tmp_path / "out" / "provenance.json", datalist=tmp_path / "data.json")
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["command"] == "python -m tool --name 'two words'"
    assert record["versions"]["bundle"] == __version__ and record["versions"]["monai"] == monai.__version__
    assert record["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert record["files"]["datalist"]["sha256"] == hashlib.sha256(b"[1]").hexdigest()
    assert record["files"]["datalist"]["path"] == str((tmp_path / "data.json").resolve())
    assert datetime.fromisoformat(record["date"]).utcoffset().total_seconds() == 0


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*gone\.pt"):
        save_provenance(tmp_path / "provenance.json", weights=tmp_path / "gone.pt")
    assert list(tmp_path.iterdir()) == []
