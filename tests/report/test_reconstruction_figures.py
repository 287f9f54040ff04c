from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from bundle.conventions import split_prediction
from bundle.data import LoadFlaird, RobustNormalizeIntensityd, load_datalist
from bundle.networks import AutoencoderNet
from bundle.report.reconstruction_figures import draw_reconstructions, load_reconstruction_net, reconstruct_slice
from tests.slices_toy import make_toy_slices

NETWORK = {"_target_": "bundle.networks.AutoencoderNet", "image_size": [64, 64], "width": 4}

pytestmark = pytest.mark.filterwarnings("ignore")  # those of MONAI's readers


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    return load_datalist(make_toy_slices(tmp_path_factory.mktemp("slices")) / "datalist.json", "test")


@pytest.fixture
def run_dir(tmp_path):
    """What a training leaves behind."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"network_def": NETWORK}))
    torch.save(AutoencoderNet([64, 64], width=4).state_dict(), folder / "model.pt")
    return folder


def test_slice_is_that_of_the_network(run_dir, entries):
    network = load_reconstruction_net(run_dir)
    assert not network.training
    found = reconstruct_slice(network, entries[0])
    item = RobustNormalizeIntensityd(keys="image")(LoadFlaird(keys="image", spatial_dims=2)(dict(entries[0])))
    x = torch.as_tensor(item["image"])[None]
    with torch.no_grad():
        torch.testing.assert_close(found.anomaly, split_prediction(network(x))[0][0, 0].as_tensor())
        torch.testing.assert_close(found.reconstruction, network.reconstruct(x)[1][0, 0])
    inside = item["image"][0] != 0  # and voxels below the range, which are 0 in the network
    residual = (found.image - found.reconstruction)[torch.as_tensor(inside)]
    assert found.error == pytest.approx(float(residual.square().mean().sqrt()), rel=0.03)


def test_picture_has_a_row_a_training_and_three_panels_a_slice(run_dir, entries, tmp_path):
    sizes = {}
    for rows, columns in ((1, 1), (2, 1), (1, 2)):
        runs = {f"run {number}": run_dir for number in range(rows)}
        path = draw_reconstructions(runs, entries[:columns], tmp_path / f"{rows}_{columns}.png")
        with Image.open(path) as picture:
            sizes[rows, columns] = picture.size
    assert sizes[2, 1][1] > 1.7 * sizes[1, 1][1] and sizes[1, 2][0] == 2 * sizes[1, 1][0]


def test_wrong_folders_are_named(run_dir, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/config\.json: no such file; name the output folder"):
        load_reconstruction_net(tmp_path / "none")
    (run_dir / "config.json").write_text(json.dumps({"network_def": {**NETWORK, "width": 8}}))
    with pytest.raises(ValueError, match=r"model\.pt: the weights do not fit .*config\.json"):
        load_reconstruction_net(run_dir)
    (run_dir / "config.json").write_text(json.dumps({"network_def": {"_target_": "torch.nn.Identity"}}))
    with pytest.raises(ValueError, match="must reconstruct slices, got Identity"):
        load_reconstruction_net(run_dir)
