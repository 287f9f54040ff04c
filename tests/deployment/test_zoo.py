from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.deployment.zoo import check_files

ROOT = Path(__file__).parents[2]


def test_the_bundle_passes():
    assert check_files(ROOT) == []


@pytest.mark.parametrize("name", ["LICENSE", "configs/metadata.json", "docs/README.md", "models/model.pt"])
def test_required_files(name, bundle_dir):
    (bundle_dir / name).unlink()
    assert check_files(bundle_dir) == [f"{bundle_dir / name}: the file does not exist; the zoo needs it"]


def test_inference_has_one_form(bundle_dir):
    (bundle_dir / "configs" / "inference.json").write_text("{}")
    (problem,) = check_files(bundle_dir)
    assert "one inference.json or inference.yaml, got ['configs/inference.json', 'configs/inference.yaml']" in problem


def test_licence(bundle_dir):
    (bundle_dir / "LICENSE").write_text("All rights reserved\n")
    (problem,) = check_files(bundle_dir)
    assert "must be the Apache License, Version 2.0, got 'All rights reserved'" in problem


def test_version_without_an_entry_and_a_copy_that_differs(bundle_dir):
    path = bundle_dir / "configs" / "metadata.json"
    metadata = json.loads(path.read_text()) | {"version": "7.0.0"}
    path.write_text(json.dumps(metadata, indent=4))
    version, copy = check_files(bundle_dir)
    assert "changelog must have an entry for version 7.0.0, got 0.1.0" in version
    assert copy == f"{bundle_dir / 'metadata.json'}: must be a copy of configs/metadata.json; copy it again"


@pytest.mark.parametrize(
    ("text", "message"),
    [('{\n  "a": 1\n}\n', "JSON must be indented by 4"), ('{"a": ', "must be JSON (Expecting value")],
)
def test_layout_of_json(text, message, bundle_dir):
    (bundle_dir / "models" / "record.json").write_text(text)
    (problem,) = check_files(bundle_dir)
    assert problem.startswith(f"{bundle_dir / 'models' / 'record.json'}: {message}")


@pytest.mark.parametrize("kind", ["RSA ", "EC ", "OPENSSH ", ""])
def test_private_keys(kind, bundle_dir):
    (bundle_dir / "docs" / "key.txt").write_text(f"-----BEGIN {kind}{'PRIVATE'} KEY-----\n")
    (problem,) = check_files(bundle_dir)
    assert f"docs/key.txt: must hold no private key, got 'BEGIN {kind}PRIVATE KEY'" in problem
