"""The ids by which MONAI and the zoo find a workflow's parts stand in every workflow file."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from monai.bundle.properties import InferProperties, MetaProperties, TrainProperties

ROOT = Path(__file__).parents[2]
WORKFLOWS = {"train": TrainProperties, "inference": InferProperties, "evaluate": InferProperties}
ZOO_INFERENCE = ["bundle_root", "device", "network_def", "inferer", "output_dir"]


def _parser(workflow):
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / f"{workflow}.yaml")
    parser.read_meta(ROOT / "configs" / "metadata.json")
    return parser


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_required_properties_are_defined(workflow):
    parser = _parser(workflow)
    required = {
        name: found["id"] for name, found in {**WORKFLOWS[workflow], **MetaProperties}.items() if found["required"]
    }
    assert {name: key for name, key in required.items() if key not in parser} == {}


def _wrong_references(parser, properties):
    """Optional parts that an engine holds in place, or under another id than the one MONAI looks for."""
    wrong = {}
    for found in properties.values():
        reference = parser.get(found["refer_id"], None) if found.get("refer_id") else None
        if reference is not None and not str(reference).startswith("$") and reference != f"@{found['id']}":
            wrong[found["id"]] = reference
    return wrong


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_optional_properties_are_under_their_own_id(workflow):
    optional = {name: found for name, found in WORKFLOWS[workflow].items() if not found["required"]}
    assert _wrong_references(_parser(workflow), optional) == {}


def test_handlers_written_in_place_are_found():
    parser = _parser("inference")
    parser["evaluator::val_handlers"] = [{"_target_": "StatsHandler"}]
    assert _wrong_references(parser, InferProperties) == {"handlers": [{"_target_": "StatsHandler"}]}


def test_training_handlers_are_written_out():
    """MONAI looks for the ValidationHandler among them and stops at one that is a reference."""
    assert all(isinstance(handler, dict) for handler in _parser("train")["train::handlers"])


def test_zoo_keys_of_inference():
    parser = _parser("inference")
    assert [key for key in ZOO_INFERENCE if key not in parser] == []


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_numbers_are_numbers(workflow):
    """YAML reads 1e-4 as a string; a value that only looks like a number is a mistake."""

    def _strings(node):
        if isinstance(node, dict | list):
            for value in node.values() if isinstance(node, dict) else node:
                yield from _strings(value)
        elif isinstance(node, str):
            yield node

    def _is_number(text):
        try:
            float(text)
        except ValueError:
            return False
        return True

    config = ConfigParser.load_config_file(ROOT / "configs" / f"{workflow}.yaml")
    assert [text for text in _strings(config) if _is_number(text)] == []
