"""The bundle's metadata: one text in two places, valid offline, and true to the package and the network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from monai.bundle import verify_metadata

ROOT = Path(__file__).parents[2]
METADATA = ROOT / "configs" / "metadata.json"
SCHEMA = ROOT / "eval" / "schema.json"


def _metadata():
    return json.loads(METADATA.read_text())


def _verify(metadata, folder):
    path = folder / "metadata.json"
    path.write_text(json.dumps(metadata))
    verify_metadata(meta_file=str(path), filepath=str(SCHEMA))


def test_root_copy_is_byte_identical():
    assert (ROOT / "metadata.json").read_bytes() == METADATA.read_bytes(), "run: cp configs/metadata.json metadata.json"


def test_verify_metadata_passes_offline():
    assert SCHEMA.is_file()  # otherwise verify_metadata would download a schema
    verify_metadata(meta_file=str(METADATA), filepath=str(SCHEMA))


@pytest.mark.parametrize("field", json.loads(SCHEMA.read_text())["required"])
def test_schema_rejects_a_missing_field(field, tmp_path):
    metadata = _metadata()
    del metadata[field]
    message = "must provide the `schema` field" if field == "schema" else f"'{field}' is a required property"
    with pytest.raises(ValueError, match=message):
        _verify(metadata, tmp_path)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        pytest.param(["required_packages_version", "nibabel"], ">=5.4", id="version_range"),
        pytest.param(["name"], "brain_lesion_detection", id="name_of_another_monai_label_task"),
        pytest.param(["changelog"], {}, id="empty_changelog"),
        pytest.param(["network_data_format", "outputs", "pred", "num_channels"], "two", id="channels_as_text"),
        pytest.param(["network_data_format", "inputs"], {}, id="no_input_called_image"),
    ],
)
def test_schema_rejects_a_wrong_value(keys, value, tmp_path):
    metadata = _metadata()
    entry = metadata
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    with pytest.raises(ValueError, match="Failed validating"):
        _verify(metadata, tmp_path)


def test_version_is_in_the_changelogs_and_in_the_package():
    metadata = _metadata()
    current = metadata["version"]
    assert current in metadata["changelog"]
    assert re.search(rf"^## \[{re.escape(current)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.search(rf'^version = "{re.escape(current)}"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert re.search(rf"^version: {re.escape(current)}$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)


def test_required_packages_are_the_pinned_ones():
    pins = dict(
        line.lower().split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line
    )
    metadata = _metadata()
    required = {"monai": metadata["monai_version"], "torch": metadata["pytorch_version"]}
    required |= {"numpy": metadata["numpy_version"]} | metadata["required_packages_version"]
    assert {name: pins.get(name) for name in required} == required
