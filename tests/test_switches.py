"""Switches as the command line passes them, alone and through the configs that read them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from monai.bundle import ConfigParser

from bundle.handlers import SaveReportSlicesHandler
from bundle.switches import switch_or_exit

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def parser_of(tmp_path, monkeypatch):
    """Read a workflow, with thresholds that need not exist and values as the command line passes them."""
    monkeypatch.chdir(CONFIGS.parent)

    def parser_of(config, **options):
        parser = ConfigParser()
        parser.read_config(CONFIGS / config)
        for name, value in {"device": "cpu", "threshold_file": str(tmp_path / "none.json"), **options}.items():
            parser[name] = value
        return parser

    return parser_of


@pytest.mark.parametrize("value", [True, False, "true", "false", "True", "FALSE", "yes", "No", "on", "off"])
def test_reads_what_yaml_reads(value):
    assert switch_or_exit("report", value) is yaml.safe_load(str(value))


@pytest.mark.parametrize("value", ["flase", "", "None", "[1", None, 0, 1, 2.0])
def test_anything_else_ends_the_run_with_one_line(value):
    with pytest.raises(SystemExit) as caught:
        switch_or_exit("report", value)
    assert str(caught.value) == (
        f"error: report: a switch must be true or false, got {value!r}; write --report true or --report false"
    )


@pytest.mark.parametrize(("value", "on"), [("false", False), (False, False), ("true", True)])
def test_report_of_an_evaluation(parser_of, value, on):
    handlers = parser_of("evaluate.yaml", report=value).get_parsed_content("handlers")
    assert any(isinstance(handler, SaveReportSlicesHandler) for handler in handlers) == on


@pytest.mark.parametrize("config", ["inference.yaml", "inference_2d.yaml"])
@pytest.mark.parametrize(("value", "on"), [("false", False), (False, False), ("true", True)])
def test_overlay_of_an_inference(parser_of, config, value, on):
    handler = parser_of(config, overlay=value).get_parsed_content("handlers")[1]
    assert (handler.draw is not None) == on


@pytest.mark.parametrize("config", ["train.yaml", "evaluate.yaml", "inference.yaml", "inference_2d.yaml"])
def test_every_switch_is_read_through_its_text(parser_of, config):
    """A switch is a top-level true or false; MONAI reads ``save_execute_config`` itself, as a path or false."""
    parser = parser_of(config)
    content = parser.get()
    names = {name for name, value in content.items() if isinstance(value, bool)} - {"save_execute_config"}
    assert set(content["switches"]) == names and names
    for name in names:
        parser[name] = "off"
        assert parser.get_parsed_content(f"switches::{name}") is False, name
