from __future__ import annotations

import json
import os

import pytest

from bundle.compare.data import FileHashes, data_fingerprint
from bundle.data.files import file_sha256


@pytest.fixture
def datalist(tmp_path):
    def write(folder, name="a", order=1):
        folder.mkdir()
        entries = []
        for number in range(4):
            (folder / f"{name}{number}.nii").write_text(f"voxels {number}")
            entries.append({"subject": f"s{number}", "image": f"{name}{number}.nii", "label": number % 2})
        content = {"training": entries[:2][::order], "test": entries[2:]}
        (folder / "datalist.json").write_text(json.dumps(content))
        return folder / "datalist.json"

    return write


def fingerprint(path, hashes=None, sections=("training",)):
    return data_fingerprint(path, sections, hashes or FileHashes())


def test_contents_count_and_not_paths(datalist, tmp_path):
    first, second = datalist(tmp_path / "one", "a"), datalist(tmp_path / "two", "b")
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first) != fingerprint(datalist(tmp_path / "three", order=-1))


def test_only_the_files_of_the_sections_count(datalist, tmp_path):
    path = datalist(tmp_path / "one")
    before = fingerprint(path)
    (tmp_path / "one" / "a3.nii").write_text("other voxels")
    assert fingerprint(path) == before
    (tmp_path / "one" / "a1.nii").write_text("other voxels")
    assert fingerprint(path) != before


def test_files_are_read_once(datalist, tmp_path, monkeypatch):
    path, memory = datalist(tmp_path / "one"), tmp_path / "hashes.json"
    read = []
    monkeypatch.setattr("bundle.compare.data.file_sha256", lambda file: read.append(file) or file_sha256(file))
    before = fingerprint(path, FileHashes(memory))
    assert fingerprint(path, FileHashes(memory)) == before and len(read) == 2
    os.utime(tmp_path / "one" / "a0.nii", ns=(1, 1))
    assert fingerprint(path, FileHashes(memory)) == before and len(read) == 3
    memory.write_text("{")
    assert fingerprint(path, FileHashes(memory)) == before and len(read) == 5


def test_file_that_does_not_exist(datalist, tmp_path):
    path = datalist(tmp_path / "one")
    (tmp_path / "one" / "a1.nii").unlink()
    with pytest.raises(FileNotFoundError, match=r"a1\.nii: the datalist names a file that does not exist"):
        fingerprint(path)
