from __future__ import annotations

import json

import pytest
from monai.bundle import ConfigParser

from bundle.handlers import save_running_config


def test_values_of_the_command_line_and_expressions_as_they_stand(tmp_path):
    parser = ConfigParser(
        {
            "imports": ["$from bundle.handlers import save_running_config"],
            "output_dir": str(tmp_path / "new"),
            "alpha": 1.0,
            "twice": "$2 * @alpha",
            "initialize": ["$save_running_config(@output_dir + '/config.json')"],
        }
    )
    parser.update({"alpha": 3.0})
    parser.get_parsed_content("initialize")
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["alpha"] == 3.0 and config["twice"] == "$2 * @alpha"
    assert config.keys() == {"imports", "output_dir", "alpha", "twice", "initialize"}
    assert ConfigParser(config).get_parsed_content("twice") == 6.0


def test_call_from_elsewhere(tmp_path):
    with pytest.raises(ValueError, match=r"config\.json: save_running_config must be called from a config"):
        save_running_config(tmp_path / "config.json")
    assert list(tmp_path.iterdir()) == []
