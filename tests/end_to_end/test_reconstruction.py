"""The reconstruction methods over configs/train.yaml and configs/evaluate.yaml, on toy slices and on toy volumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from monai.bundle import run as run_workflow
from monai.utils import path_to_sqlite_uri, set_determinism

from bundle.handlers import TrainingStateHandler
from tests.slices_toy import make_toy_slices
from tests.warm_process import run_module

ROOT = Path(__file__).parents[2]
METHODS = ["ae", "vae", "silva_rodriguez", "f_anogan", "f_anogan_joint", "dae"]
WIDTHS = {"network_def::image_size": [64, 64], "network_def::width": 4}
SMALL = {name: {**WIDTHS} for name in METHODS} | {
    "dae": {"network_def::image_size": [64, 64], "network_def::channels": [4, 8, 8], "network_def::groups": 2}
}
TRAINING = {"max_epochs": 1, "batch_size": 4, "num_workers": 0, "device": "cpu"}

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's; tests of the parts have warnings as errors


def train_files(method, *, flat=True):
    flats = ["train_2d.yaml"] if flat else [], ["train_reconstruction_2d.yaml"] if flat else []
    names = ["train.yaml", *flats[0], "train_reconstruction.yaml", *flats[1]]
    return [str(ROOT / "configs" / name) for name in (*names, f"networks/{method}.yaml", f"methods/{method}.yaml")]


def evaluate_files(method, *, flat=True):
    flats = ["evaluate_2d.yaml"] if flat else [], ["evaluate_reconstruction_2d.yaml"] if flat else []
    names = ["evaluate.yaml", *flats[0], "evaluate_reconstruction.yaml", *flats[1], f"networks/{method}.yaml"]
    return [str(ROOT / "configs" / name) for name in names]


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    return make_toy_slices(tmp_path_factory.mktemp("slices"))


@pytest.fixture
def run_here(monkeypatch):
    """Run a workflow in this process, which saves a new one's imports."""
    monkeypatch.chdir(ROOT)
    with torch.random.fork_rng(devices=[]):
        yield lambda files, **options: run_workflow(config_file=files, **options)
        set_determinism(None)


@pytest.mark.parametrize("method", METHODS)
def test_method_trains_on_healthy_slices_alone(method, run_here, slices, tmp_path):
    options = {**TRAINING, **SMALL[method], "dataset_dir": str(slices), "output_dir": str(tmp_path)}
    if method == "f_anogan":
        options["gan_epochs"] = 1
    run_here(train_files(method), **options)
    state = torch.load(tmp_path / "training_state.pt", weights_only=True)
    assert state["settings"]["method"] == method
    datalist = json.loads((slices / "datalist.json").read_text())
    healthy = sum(entry["label"] == 0 for entry in datalist["training"])
    assert state["states"]["trainer"]["iteration"] == healthy // 4
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


@pytest.mark.parametrize(("method", "stops"), [("f_anogan", [1, 2]), ("silva_rodriguez", [1])])
def test_interrupted_training_ends_as_an_uninterrupted_one(method, stops, run_here, slices, tmp_path, monkeypatch):
    """A run is stopped once it has saved so many epochs; those of f-AnoGAN's first part come first."""
    options = {**TRAINING, **SMALL[method], "dataset_dir": str(slices), "max_epochs": 2}
    if method == "f_anogan":
        options["gan_epochs"] = 2
    run_here(train_files(method), **options, output_dir=str(tmp_path / "whole"))
    save = TrainingStateHandler._save
    for stop in stops:
        saved = []

        def save_and_stop(self, engine, saved=saved, stop=stop):
            save(self, engine)
            saved.append(self.path.name)
            if len(saved) == stop:
                raise ValueError("stopped by the test")

        monkeypatch.setattr(TrainingStateHandler, "_save", save_and_stop)
        with pytest.raises(RuntimeError):
            run_here(train_files(method), **options, output_dir=str(tmp_path / "stopped"))
        monkeypatch.setattr(TrainingStateHandler, "_save", save)
        assert len(saved) == stop
    run_here(train_files(method), **options, output_dir=str(tmp_path / "stopped"))
    whole, resumed = (
        torch.load(tmp_path / name / "model_final.pt", weights_only=True) for name in ("whole", "stopped")
    )
    assert all(torch.equal(resumed[key], tensor) for key, tensor in whole.items())


def test_training_is_tracked_as_a_classifiers_is(run_here, slices, tmp_path, monkeypatch):
    """Of the method with two trainers, of which MONAI knows the second one."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    options = {**TRAINING, **SMALL["f_anogan"], "gan_epochs": 1, "tracking": "mlflow"}
    run_here(train_files("f_anogan"), **options, dataset_dir=str(slices), output_dir=str(tmp_path))
    client = MlflowClient(path_to_sqlite_uri(tmp_path / "mlruns.db"))
    experiment = client.get_experiment_by_name("brain_flair_anomaly_segmentation")
    (tracked,) = client.search_runs(experiment.experiment_id)
    assert (tracked.info.status, tracked.info.run_name) == ("FINISHED", str(tmp_path))
    assert {"gan_epochs": "1", "feature_weight": "1.0", "max_epochs": "1"}.items() <= tracked.data.params.items()
    metrics = {"train_loss", "lr_group_0", "reconstruction_loss", "feature_loss", "val_negative_loss"}
    assert metrics == tracked.data.metrics.keys()
    files = {
        found.path for name in (None, "figures", "model") for found in client.list_artifacts(tracked.info.run_id, name)
    }
    assert files == {"config.json", "figures", "figures/curves.png", "model", "model/model.pt"}


def bundle_run(files, **options):
    """Run a workflow as a user does, in a process of its own."""
    words = [part for name, value in options.items() for part in (f"--{name.replace('::', '#')}", str(value))]
    return run_module("monai.bundle", ["run", "--config_file", repr(files), *words])


def test_slices_from_training_to_the_report(slices, tmp_path):
    options = {**SMALL["ae"], "device": "cpu", "dataset_dir": slices}
    trained = bundle_run(train_files("ae"), **options, max_epochs=2, num_workers=0, output_dir=tmp_path / "run")
    assert trained.returncode == 0, trained.stderr[-2000:]
    model = tmp_path / "run" / "model.pt"
    evaluated = bundle_run(evaluate_files("ae"), **options, model_file=model, output_dir=tmp_path / "out")
    assert evaluated.returncode == 0, evaluated.stderr[-2000:]
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(record["thresholds"]) == {"attribution", "intensity"}
    assert (tmp_path / "out" / "report.html").is_file()


def test_volumes_are_trained_and_evaluated_slice_by_slice(run_here, training_cohort, cohort, tmp_path):
    grid = {"grid_shape": [30, 36, 30], "grid_spacing_mm": 6.0, "device": "cpu"}
    options = {**TRAINING, **SMALL["ae"], **grid, "batch_size": 1, "network_def::slices_per_volume": 3}
    run_here(
        train_files("ae", flat=False), **options, dataset_dir=str(training_cohort), output_dir=str(tmp_path / "run")
    )
    run_here(
        evaluate_files("ae", flat=False),
        **grid,
        **SMALL["ae"],
        dataset_dir=str(cohort),
        model_file=str(tmp_path / "run" / "model.pt"),
        output_dir=str(tmp_path / "out"),
        report=False,
    )
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    logits = [subject["logit"] for subject in record["subjects"]]
    assert all(0 < logit < 1 for logit in logits) and len(set(logits)) == len(logits)


def test_datalist_without_healthy_images_is_named(run_here, slices, tmp_path):
    datalist = json.loads((slices / "datalist.json").read_text())
    datalist["validation"] = [entry for entry in datalist["validation"] if entry["label"] == 1]
    path = slices / "patients.json"
    path.write_text(json.dumps(datalist))
    options = {**TRAINING, **SMALL["ae"], "datalist": str(path), "output_dir": str(tmp_path / "run")}
    with pytest.raises(SystemExit, match=r"patients\.json: section 'validation' must hold healthy images"):
        run_here(train_files("ae"), **options)
    assert not (tmp_path / "run").exists()
