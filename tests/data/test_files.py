from __future__ import annotations

import hashlib
import math
import os

import pytest

from bundle.data.files import csv_text, file_sha256, write_text_atomically, written_whole


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with written_whole(path) as part:
        part.write_text("half")
        assert _names(path.parent) == [f".{os.getpid()}_table.csv"]
        part.write_text("whole")
    assert _names(path.parent) == ["table.csv"] and path.read_text() == "whole"


def test_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fill_the_disk():
        with written_whole(path) as part:
            part.write_text("half")
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fill_the_disk()
    assert _names(tmp_path) == ["table.csv"] and path.read_text() == "old"


def test_a_writer_that_wrote_nothing_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"table\.csv"), written_whole(tmp_path / "table.csv"):
        pass
    assert _names(tmp_path) == []


def test_text_is_utf8(tmp_path):
    write_text_atomically(tmp_path / "a" / "text", "± 1")
    assert (tmp_path / "a" / "text").read_bytes() == b"\xc2\xb1 1"


def test_csv_takes_the_columns_of_all_rows():
    rows = [{"a": 1, "b": math.nan}, {"c": "x,y", "a": None}]
    assert csv_text(rows) == 'a,b,c\n1,,\n,,"x,y"\n'
    assert csv_text(rows, ["c", "b", "a"], unknown="nan") == 'c,b,a\nnan,nan,1\n"x,y",nan,nan\n'


def test_csv_refuses_a_column_that_is_not_named():
    with pytest.raises(ValueError, match="'b'"):
        csv_text([{"a": 1, "b": 2}], ["a"])


def test_hash_of_a_file_longer_than_a_block(tmp_path):
    content = os.urandom((1 << 20) + 3)
    (tmp_path / "weights.pt").write_bytes(content)
    assert file_sha256(tmp_path / "weights.pt") == hashlib.sha256(content).hexdigest()
