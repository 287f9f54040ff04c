from __future__ import annotations

import json

import pytest

from scripts import record_training


def test_record_is_written(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        record_training, "training_record", lambda *args, **more: calls.append((args, more)) or {"a": 1}
    )
    output = tmp_path / "new" / "record.json"
    record_training.main([str(tmp_path / "run"), str(tmp_path / "eval"), "--output", str(output), "--command", "train"])
    assert json.loads(output.read_text()) == {"a": 1} and capsys.readouterr().out.strip() == str(output)
    ((folders, more),) = calls
    assert folders == (tmp_path / "run", tmp_path / "eval")
    assert more == {"command": "train", "statement": "Trained on synthetic images only; not for clinical use."}


def test_missing_run_is_named_in_one_line(tmp_path):
    output = tmp_path / "record.json"
    with pytest.raises(SystemExit, match=r"^error: .*run/config\.json: the file does not exist; run configs/train"):
        record_training.main([str(tmp_path / "run"), str(tmp_path / "eval"), "--output", str(output)])
    assert not output.exists()
