from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.handlers.saving import load_safely, save_arrays_atomically, save_atomically


def test_what_was_saved_is_loaded(tmp_path):
    save_atomically({"a": torch.arange(3), "b": 0.5}, tmp_path / "new" / "state.pt")
    loaded = load_safely(tmp_path / "new" / "state.pt")
    assert loaded["a"].tolist() == [0, 1, 2] and loaded["b"] == 0.5
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["state.pt"]


def test_part_of_a_killed_run_is_replaced(tmp_path):
    (tmp_path / ".state.pt.part").write_bytes(b"half")
    save_atomically(1, tmp_path / "state.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_failure_leaves_the_old_file(tmp_path):
    save_atomically(1, tmp_path / "state.pt")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_atomically(lambda: None, tmp_path / "state.pt")
    assert load_safely(tmp_path / "state.pt") == 1 and len(list(tmp_path.iterdir())) == 1


def test_arrays_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "maps.npz"
    save_arrays_atomically({"a": np.arange(3)}, path)

    class Broken:
        def __array__(self, *args, **kwargs):
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        save_arrays_atomically({"a": Broken()}, path)
    with np.load(path) as file:
        assert file["a"].tolist() == [0, 1, 2]
    assert [found.name for found in path.parent.iterdir()] == ["maps.npz"]


@pytest.mark.parametrize("content", [b"", b"broken", b"PK\x03\x04 cut", pickle.dumps(Path)])
def test_broken_file_gives_one_short_line(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"^[^\n]{1,80}$"):
        load_safely(tmp_path / "state.pt")
