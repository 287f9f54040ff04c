"""The 2D workflows from the command line: slices of an archive are trained on, evaluated and segmented."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.bundle import run as run_workflow
from monai.bundle.properties import InferProperties
from monai.transforms import Compose
from monai.utils import set_determinism
from sklearn.metrics import average_precision_score

from bundle.anomaly import load_thresholds
from bundle.data import load_datalist
from tests.slices_toy import make_toy_slices

CONFIGS = Path(__file__).parents[2] / "configs"
WIDTHS = {"network_def::classifier::channels": [4, 8, 8], "device": "cpu"}
TINY = {"max_epochs": 1, "val_interval": 1, "batch_size": 6, "num_workers": 0}

# MONAI's and Ignite's own; tests of the parts have warnings as errors
pytestmark = pytest.mark.filterwarnings("ignore")


def config_files(*names: str) -> list[str]:
    return [str(CONFIGS / f"{name}.yaml") for name in names]


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    return make_toy_slices(tmp_path_factory.mktemp("slices"))


@pytest.fixture(scope="module")
def run(slices):
    """Run a workflow in this process, which saves a new one's imports; put back the random state that it seeds."""

    def run(*names, **options):
        with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
            patch.chdir(CONFIGS.parent)
            options = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
            try:
                run_workflow(config_file=config_files(*names), **{**WIDTHS, **options})
            finally:
                set_determinism(None)

    return run


@pytest.fixture(scope="module")
def trained(run, slices, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = {**TINY, "max_epochs": 2, "elastic_probability": 1.0}
    run("train", "train_2d", dataset_dir=slices, output_dir=folder, **options)
    return folder


@pytest.fixture(scope="module")
def evaluated(run, slices, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    run("evaluate", "evaluate_2d", dataset_dir=slices, output_dir=folder, model_file=trained / "model.pt")
    return folder


@pytest.fixture(scope="module")
def segmented(run, slices, trained, evaluated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")
    files = {"model_file": trained / "model.pt", "threshold_file": evaluated / "threshold.json"}
    run("inference_2d", dataset_dir=slices / "datalist.json", output_dir=folder, **files)
    return folder


def z_score(path):
    image = nib.load(path).get_fdata()
    inside = image[image != 0]
    return np.where(image != 0, (image - inside.mean()) / inside.std(), -1e9)


def lesion(path):
    return nib.load(path).get_fdata() > 0


def test_training(trained):
    state = torch.load(trained / "training_state.pt", weights_only=True)["states"]
    assert state["trainer"]["iteration"] == 2 * 4  # 12 healthy training slices, three in a batch
    weights = torch.load(trained / "model_final.pt", weights_only=True)
    assert {tensor.dim() for name, tensor in weights.items() if "weight" in name} == {4}  # 2D convolutions


@pytest.mark.parametrize(
    "overlays",
    [["methods/ross"], ["methods/unsup_tv", "methods/estimators/ieg"], ["methods/paper"]],
    ids=lambda overlays: "+".join(Path(name).name for name in overlays),
)
def test_compared_methods_are_laid_over_it(run, slices, tmp_path, overlays):
    widths = [4, 8, 8, 8] if "methods/paper" in overlays else [4, 8, 8]
    options = {**TINY, "network_def::classifier::channels": widths}
    run("train", "train_2d", *overlays, dataset_dir=slices, output_dir=tmp_path, **options)
    state = torch.load(tmp_path / "training_state.pt", weights_only=True)["states"]
    assert state["trainer"]["iteration"] == 4
    assert all(torch.isfinite(tensor).all() for tensor in state["network"].values())


def test_the_baseline_agrees_with_scikit_learn(evaluated, slices):
    record = json.loads((evaluated / "evaluation.json").read_text())
    (row,) = (row for row in record["summary"] if (row["condition"], row["score"]) == ("pathological", "intensity"))
    patients = [entry for entry in load_datalist(slices / "datalist.json", "test") if entry["label"]]
    scores = [z_score(entry["image"]) for entry in patients]
    lesions = [lesion(entry["mask"]) for entry in patients]
    expected = average_precision_score(np.ravel(lesions), np.ravel(scores))
    assert row["auprc"] == pytest.approx(expected, abs=1e-3)
    called = [score >= record["thresholds"]["intensity"] for score in scores]
    dice = [2 * (c & m).sum() / (c.sum() + m.sum()) for c, m in zip(called, lesions, strict=True)]
    assert row["dice"] == pytest.approx(np.mean(dice), abs=1e-3) and row["subjects"] == len(patients) == 2


def test_every_slice_has_a_row_with_its_patient(evaluated, slices):
    with (evaluated / "subjects.csv").open() as file:
        rows = [(row["subject"], row["patient"], row["condition"]) for row in csv.DictReader(file)]
    entries = load_datalist(slices / "datalist.json", "test")
    assert rows == [(entry["subject"], entry["patient"], entry["condition"]) for entry in entries]
    assert "| healthy |" not in (evaluated / "evaluation.md").read_text().split("Score, healthy")[0]


def test_inference_gives_the_maps_that_were_evaluated(segmented, evaluated, slices, trained):
    record = json.loads((evaluated / "evaluation.json").read_text())
    threshold = load_thresholds(evaluated / "threshold.json", trained / "model.pt")["thresholds"]["attribution"]
    images = {entry["subject"]: entry["image"] for entry in load_datalist(slices / "datalist.json", "test")}
    for row in record["subjects"]:
        files = segmented / row["subject"]
        result = json.loads((files / f"{row['subject']}_result.json").read_text())
        assert result["logit"] == pytest.approx(row["logit"], abs=1e-6)
        assert result["volume_ml"] == pytest.approx(row["attribution_volume_ml"])
        source = nib.load(images[row["subject"]])
        mask, attribution = (nib.load(files / f"{row['subject']}_{name}.nii.gz") for name in ("anomaly", "attribution"))
        assert mask.shape == attribution.shape == source.shape == (36, 40)
        np.testing.assert_array_equal(mask.affine, source.affine)
        inside = source.get_fdata() != 0
        np.testing.assert_array_equal(mask.get_fdata()[inside], attribution.get_fdata()[inside] >= threshold)
        assert not mask.get_fdata()[~inside].any()
        assert (files / f"{row['subject']}_overlay.png").read_bytes().startswith(b"\x89PNG")


def test_augmentation_takes_no_mask_and_leaves_background_zero(slices):
    """The elastic transform, mirroring and brightness are those of train.yaml, in two dimensions."""
    parser = ConfigParser()
    parser.read_config(config_files("train", "train_2d"))
    parser["elastic_probability"] = 1.0
    names = [transform["_target_"] for transform in parser["train::random_transforms"]]
    assert names == ["RandFlipd", "Rand2DElasticd", "RandScaleIntensityd", "RandStdShiftIntensityd"]
    transforms = [
        *parser.get_parsed_content("train::fixed_transforms"),
        *parser.get_parsed_content("train::random_transforms"),
    ]
    entry = load_datalist(slices / "datalist.json", "training")[1]
    item = Compose(transforms).set_random_state(1)(entry)
    assert "mask" in entry and set(item) == {"image", "label", "subject"}
    assert item["image"].shape == (1, 36, 40) and not item["image"][0, :2].any()


@pytest.mark.parametrize("names", [("evaluate", "evaluate_2d"), ("inference_2d",)], ids="+".join)
def test_required_properties_are_defined(names):
    parser = ConfigParser()
    parser.read_config(config_files(*names))
    required = [found["id"] for found in InferProperties.values() if found["required"]]
    assert [key for key in required if key not in parser] == []


def test_the_three_workflows_share_one_network():
    networks = []
    for names in (("train", "train_2d"), ("evaluate", "evaluate_2d"), ("inference_2d",)):
        parser = ConfigParser()
        parser.read_config(config_files(*names))
        networks.append(parser.get_parsed_content("network_def").state_dict())
    shapes = [{name: tensor.shape for name, tensor in network.items()} for network in networks]
    assert shapes[0] == shapes[1] == shapes[2]


def test_volumes_and_mixed_shapes_are_refused(run, slices, tmp_path):
    datalist = json.loads((slices / "datalist.json").read_text())
    for entry in (entry for section in ("training", "validation") for entry in datalist[section]):
        entry.update({key: str(slices / entry[key]) for key in ("image", "mask")})
    image, shape = tmp_path / "wide.nii.gz", (38, 40)
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random(shape), np.eye(4)), image)
    datalist["validation"][-1] = {"subject": "wide", "image": str(image), "label": 0}
    (tmp_path / "datalist.json").write_text(json.dumps(datalist))
    with pytest.raises(SystemExit, match=r"wide\.nii\.gz: images that share .* \(36, 40\) .*, got \(38, 40\)"):
        run("train", "train_2d", dataset_dir=tmp_path, output_dir=tmp_path / "out")
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((9, 8, 7)), np.eye(4)), image)
    with pytest.raises(SystemExit, match=r"wide\.nii\.gz: .* got 7 channels in shape \(9, 8, 7\)"):
        run("train", "train_2d", dataset_dir=tmp_path, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()
