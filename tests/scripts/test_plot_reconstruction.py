from __future__ import annotations

import json

import pytest
import torch

from bundle.networks import AutoencoderNet
from scripts.plot_reconstruction import main
from tests.slices_toy import make_toy_slices

pytestmark = pytest.mark.filterwarnings("ignore")  # those of MONAI's readers


@pytest.fixture(scope="module")
def datalist(tmp_path_factory):
    return make_toy_slices(tmp_path_factory.mktemp("slices")) / "datalist.json"


@pytest.fixture
def run_dir(tmp_path):
    network = {"_target_": "bundle.networks.AutoencoderNet", "image_size": [64, 64], "width": 4}
    (tmp_path / "config.json").write_text(json.dumps({"network_def": network}))
    torch.save(AutoencoderNet([64, 64], width=4).state_dict(), tmp_path / "model.pt")
    return tmp_path


@pytest.mark.parametrize("named", [False, True])
def test_picture_is_written(run_dir, datalist, capsys, named):
    subjects = [json.loads(datalist.read_text())["test"][0]["subject"]]
    output = run_dir / "made" / "picture.png"
    chosen = ["--subjects", *subjects] if named else []
    main([str(run_dir), "--datalist", str(datalist), "--output", str(output), *chosen])
    assert capsys.readouterr().out.strip() == str(output) and output.stat().st_size > 3000


def test_wrong_arguments_are_one_line(run_dir, datalist, capsys):
    arguments = [str(run_dir), "--datalist", str(datalist), "--output", str(run_dir / "a.png")]
    with pytest.raises(SystemExit, match=r"^error: the section has no subject 'nobody', but \d+ such as \S+$"):
        main([*arguments, "--subjects", "nobody"])
    with pytest.raises(SystemExit):
        main([str(run_dir), *arguments])
    assert "got 2 runs and the labels" in capsys.readouterr().err
    assert not (run_dir / "a.png").exists()
