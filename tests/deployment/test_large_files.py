from __future__ import annotations

import hashlib
import http.server
import json
import threading
from functools import partial

import pytest
from monai.bundle import download_large_files

from bundle.deployment.large_files import check_large_files, large_files_text

GOOD = {"path": "models/model.pt", "url": "https://example.org/model.pt", "hash_type": "sha256"}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "models" / "model.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def _write(root, *entries):
    (root / "large_files.yml").write_text(json.dumps({"large_files": entries}))  # JSON is YAML


def test_monai_downloads_what_is_listed(weights, tmp_path):
    class _Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    (tmp_path / "unpacked").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=weights.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/model.pt"
        (tmp_path / "unpacked" / "large_files.yml").write_text(large_files_text("models/model.pt", url, weights))
        assert check_large_files(tmp_path / "unpacked", {}) == []
        download_large_files(str(tmp_path / "unpacked"))
        server.shutdown()
    assert (tmp_path / "unpacked" / "models" / "model.pt").read_bytes() == b"weights"
    assert check_large_files(tmp_path / "unpacked", {}) == []


@pytest.mark.parametrize("url", ["model.pt", "ftp://example.org/model.pt", ""])
def test_an_address_that_is_none(url, weights):
    with pytest.raises(ValueError, match=f"must begin with http:// or https://, got '{url}'"):
        large_files_text("models/model.pt", url, weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hash_val": "0" * 64}, f"must have the sha256 {'0' * 64}, got {hashlib.sha256(b'weights').hexdigest()}"),
        ({"hash_type": "crc32"}, "hash_type must be one of md5, sha1, sha256, sha512, got 'crc32'"),
        ({"path": "../model.pt"}, "path must lie in the bundle, got ../model.pt"),
    ],
)
def test_wrong_entries(change, message, weights, tmp_path):
    _write(tmp_path, {**GOOD, "hash_val": hashlib.sha256(b"weights").hexdigest(), **change})
    (problem,) = check_large_files(tmp_path, {})
    assert message in problem and "large_files.yml, entry 0" in problem


def test_an_entry_without_a_hash(weights, tmp_path):
    _write(tmp_path, GOOD, "model.pt")
    first, second = check_large_files(tmp_path, {})
    assert "entry 0: must have path, url, hash_val and hash_type, got {'path': 'models/model.pt'" in first
    assert second.endswith("entry 1: must have path, url, hash_val and hash_type, got model.pt")


def test_large_files_must_be_listed(weights, tmp_path):
    with weights.open("wb") as file:
        file.truncate(26 * 1024**2)
    files = {"models/model.pt": weights}
    (problem,) = check_large_files(tmp_path, files)
    assert problem.endswith("models/model.pt: a file above 25 MiB must be listed in large_files.yml, got 26 MiB")
    _write(tmp_path, {**GOOD, "hash_val": hashlib.sha256(weights.read_bytes()).hexdigest()})
    assert check_large_files(tmp_path, files) == []
