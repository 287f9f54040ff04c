"""The overlays of configs/methods over configs/train.yaml: each trains, and stands for the method that it names."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.bundle import run as run_workflow
from monai.utils import set_determinism

from bundle.conventions import join_prediction
from bundle.data import load_datalist
from bundle.handlers import TrainingStateHandler
from tests.oracles import paper_equations as oracle

ROOT = Path(__file__).parents[2]
METHODS = ["unsup", "sup", "unsup_tv", "unsup_ridge", "ross", "erion", "no_cons"]
ESTIMATORS = {"g": None, "ig": 1.0, "eg": 0.0, "ieg": 0.25}  # probability of the null image as a baseline
COMBINATIONS = [
    *([method] for method in METHODS),
    *(["unsup", f"estimators/{name}"] for name in ESTIMATORS),
    ["sup", "estimators/ieg"],
    ["erion", "estimators/g"],
    ["unsup", "paper", "estimators/ig"],
]
SETTINGS = {
    "device": "cpu",
    "grid_shape": [30, 36, 30],
    "grid_spacing_mm": 6.0,
    "network_def::classifier::channels": [4, 8, 8],
    "max_epochs": 1,
    "val_interval": 1,
    "batch_size": 2,  # three iterations an epoch
    "num_workers": 0,
    "elastic_probability": 1.0,
}
PAPER_WIDTHS = {"network_def::classifier::channels": [4, 8, 8, 8]}  # one convolution more than the default


def config_files(overlays: Sequence[str]) -> list[str]:
    folder = ROOT / "configs"
    return [str(folder / "train.yaml"), *(str(folder / "methods" / f"{overlay}.yaml") for overlay in overlays)]


def parser_of(overlays: Sequence[str], **options: object) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(config_files(overlays))
    for name, value in {**SETTINGS, **options}.items():
        parser[name] = value
    parser.get_parsed_content("imports")
    return parser


@pytest.fixture
def train(training_cohort, tmp_path, monkeypatch):
    """Train in this process, which saves a new one's imports, and return the state after the last epoch."""

    def train(overlays, output_dir=tmp_path / "out", dataset_dir=training_cohort, **options):
        options = {"dataset_dir": str(dataset_dir), "output_dir": str(output_dir), **SETTINGS, **options}
        run_workflow(config_file=config_files(overlays), **options)
        return torch.load(output_dir / "training_state.pt", weights_only=True)

    monkeypatch.chdir(ROOT)
    with torch.random.fork_rng(devices=[]):
        yield train
        set_determinism(None)


trains = pytest.mark.filterwarnings("ignore")  # those of MONAI's engines; the parts are tested with warnings as errors


@trains
@pytest.mark.parametrize("overlays", COMBINATIONS, ids="+".join)
def test_overlay_trains(train, overlays):
    state = train(overlays, **(PAPER_WIDTHS if "paper" in overlays else {}))
    assert state["states"]["trainer"]["iteration"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in state["states"]["network"].values())


@trains
def test_training_computes_without_denormal_numbers(train):
    small = torch.tensor(1e-30)
    assert (small * 1e-10).item() > 0
    train(["no_cons"])
    assert (small * 1e-10).item() == 0


@trains
@pytest.mark.usefixtures("no_graphs_of_other_tests")
@pytest.mark.parametrize("overlays", [["sup", "estimators/ieg"], ["unsup_tv"], ["erion"]], ids="+".join)
def test_compiled_training_is_that_without(train, tmp_path, overlays):
    compilation = {"backend": "aot_eager", "fullgraph": True}
    options = [{}, {"compile": True, "train::compilation": compilation}]
    expected, found = (train(overlays, tmp_path / str(i), **options[i])["states"]["network"] for i in range(2))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_loss_is_that_of_the_method(method):
    generator = torch.Generator().manual_seed(0)
    attribution = torch.randn(4, 1, 6, 5, 7, dtype=torch.float64, generator=generator)
    logit = torch.randn(4, 1, dtype=torch.float64, generator=generator)
    labels = np.array([0, 1, 0, 1])
    lesion_map = torch.zeros_like(attribution)
    lesion_map[1, :, :2], lesion_map[3] = 1.0, torch.nan
    parser = parser_of([method])
    loss = parser.get_parsed_content("loss")
    value = loss(join_prediction(attribution, logit), {"label": torch.from_numpy(labels), "mask": lesion_map}).item()

    maps, sharpness = attribution.numpy(), parser["loss::sharpness"]
    healthy, annotated = (
        sharpness / np.sqrt(np.mean(maps[images] ** 2)) if sharpness else 1.0 for images in ([0, 2], [0, 1, 2])
    )
    constraint = {
        "unsup": lambda: oracle.unsupervised(healthy * maps, labels) / sharpness,
        "sup": lambda: oracle.supervised(annotated * maps, lesion_map.numpy()) / sharpness,
        "unsup_tv": lambda: (
            oracle.unsupervised(healthy * maps, labels) / sharpness
            + parser["loss::tv_weight"] * oracle.total_variation(maps, standardise=True)
        ),
        "unsup_ridge": lambda: (
            oracle.unsupervised(healthy * maps, labels) / sharpness
            + parser["ridge"] / parser["alpha"] * oracle.ross(maps, labels)
        ),
        "ross": lambda: oracle.ross(maps, labels),
        "erion": lambda: oracle.total_variation(maps, standardise=True),
        "no_cons": lambda: 0.0,
    }[method]()
    expected = oracle.classification(logit.numpy()[:, 0], labels) + parser["alpha"] * constraint
    assert math.isclose(value, expected, rel_tol=1e-11)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("estimator", [None, *ESTIMATORS])
def test_estimator_overlay_sets_the_sampler(method, estimator):
    overlays = [method] if estimator is None else [method, f"estimators/{estimator}"]
    sampler = parser_of(overlays).get_parsed_content("network_def").sampler
    default = "eg" if method == "erion" else "g"
    assert getattr(sampler, "null_probability", None) == ESTIMATORS[estimator or default]


@trains
def test_resumed_training_repeats_the_draws(train, tmp_path, monkeypatch):
    overlays, settings = ["unsup", "estimators/ieg"], {"max_epochs": 2, "val_interval": 2}
    uninterrupted = train(overlays, tmp_path / "whole", **settings)
    save = TrainingStateHandler._save

    def save_and_stop(self, engine):
        save(self, engine)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStateHandler, "_save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(overlays, tmp_path / "cut", **settings)
    resumed = train(overlays, tmp_path / "cut", **settings)
    assert resumed["states"]["trainer"]["iteration"] == 6
    torch.testing.assert_close(resumed["states"]["network"], uninterrupted["states"]["network"], rtol=0, atol=0)


@trains
def test_another_method_in_the_same_folder_is_refused(train):
    train(["unsup"])
    with pytest.raises(SystemExit, match="written with method='unsup', this run has 'unsup_tv'"):
        train(["unsup_tv"])


@pytest.fixture
def lesion_entry(tmp_path):
    """A volume on the model's grid whose lesion is all that is brighter than the rest of the brain."""
    shape, spacing_mm = SETTINGS["grid_shape"], SETTINGS["grid_spacing_mm"]
    position = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    lesion = ((position - np.array([0.4, 0.1, -0.1]).reshape(3, 1, 1, 1)) ** 2).sum(0) < 0.1
    tissue = 100.0 + np.random.default_rng(0).uniform(-2.0, 2.0, shape)
    image = np.where((position**2).sum(0) < 0.8, tissue + 50.0 * lesion, 0.0)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = [-90.0, -126.0, -72.0]
    for name, array in (("image", image.astype(np.float32)), ("mask", lesion.astype(np.uint8))):
        nib.save(nib.Nifti1Image(array, affine), tmp_path / f"{name}.nii.gz")
    return {"image": str(tmp_path / "image.nii.gz"), "mask": str(tmp_path / "mask.nii.gz"), "label": 1}


@pytest.mark.parametrize("elastic_probability", [0.0, 1.0], ids=["mirrored", "mirrored_and_deformed"])
def test_masks_follow_their_images(lesion_entry, elastic_probability):
    parser = parser_of(["sup"], elastic_probability=elastic_probability)
    parser["train::random_transforms::0::prob"] = 1.0
    item = parser.get_parsed_content("train::preprocessing").set_random_state(0)(lesion_entry)
    image, mask = item["image"].numpy()[0], item["mask"].numpy()[0]
    assert set(np.unique(mask)) == {0.0, 1.0}
    bright = image > (image.max() + np.median(image[image != 0])) / 2
    dice = 2 * (bright * mask).sum() / (bright.sum() + mask.sum())
    assert dice == 1.0 if elastic_probability == 0 else dice > 0.9
    centre = np.argwhere(mask).mean(0)
    assert centre[0] < 0.5 * (len(mask) - 1)  # the lesion has changed sides


@pytest.mark.parametrize(("fraction", "annotated"), [(1.0, 3), (0.34, 1), (0.0, 0)])
def test_share_of_annotated_patients(training_cohort, fraction, annotated):
    parser = parser_of(["sup"], dataset_dir=str(training_cohort), annotated_fraction=fraction)
    entries = parser.get_parsed_content("train::dataset::data")
    assert len(entries) == 6 and sum("mask" in entry for entry in entries) == annotated
    transform = parser.get_parsed_content("train::preprocessing")
    for entry in entries:
        mask = transform(entry)["mask"]
        if entry["label"] == 0:
            assert (mask == 0).all()
        elif "mask" in entry:
            assert mask.sum() > 0
        else:
            assert mask.isnan().all()


def test_supervision_without_masks_is_refused(training_cohort, train, tmp_path):
    datalist = {
        section: [
            {key: value for key, value in entry.items() if key != "mask"}
            for entry in load_datalist(training_cohort / "datalist.json", section)
        ]
        for section in ("training", "validation")
    }
    (tmp_path / "datalist.json").write_text(json.dumps(datalist))
    with pytest.raises(SystemExit, match=r"error: eq\. 3 needs at least one .* got 0 masks for 3"):
        train(["sup"], dataset_dir=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "methods").rglob("*.yaml")), ids=lambda path: path.stem)
def test_numbers_are_numbers(path):
    """YAML reads 1e-4 as a string; a value that only looks like a number is a mistake."""
    values = [value for value in ConfigParser.load_config_file(path).values() if isinstance(value, str)]
    assert [value for value in values if value.replace(".", "").replace("-", "").replace("e", "").isdigit()] == []
