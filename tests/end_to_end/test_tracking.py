"""`--tracking mlflow` of a training and an evaluation, from the command line, with MONAI's own settings."""

from __future__ import annotations

import csv

import pytest
from mlflow import MlflowClient
from monai.utils import path_to_sqlite_uri

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")  # MLflow's tables


@pytest.fixture(autouse=True)
def _no_other_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def _the_run(folder):
    client = MlflowClient(path_to_sqlite_uri(folder / "mlruns.db"))
    experiment = client.get_experiment_by_name("brain_flair_anomaly_segmentation")
    (run,) = client.search_runs(experiment.experiment_id)
    assert run.info.status == "FINISHED" and run.info.run_name == str(folder)
    return client, run


def _files(client, run, folder=None):
    return {found.path.rpartition("/")[2] for found in client.list_artifacts(run.info.run_id, folder)}


def test_a_training_is_tracked(run_bundle, training_cohort, tmp_path):
    output_dir = tmp_path / "run"
    run = run_bundle(
        "train.yaml", dataset_dir=training_cohort, output_dir=output_dir, num_workers=0, alpha=2.5, tracking="mlflow"
    )
    assert run.returncode == 0, run.stderr
    client, tracked = _the_run(output_dir)
    assert {"alpha": "2.5", "max_epochs": "2", "grid_shape": "[30, 36, 30]"}.items() <= tracked.data.params.items()
    metrics = {"train_loss", "classification_loss", "val_accuracy", "val_constrained_accuracy", "lr_group_0"}
    assert metrics <= tracked.data.metrics.keys()
    assert [found.step for found in client.get_metric_history(tracked.info.run_id, "val_accuracy")] == [1, 2]
    assert _files(client, tracked) == {"config.json", "figures", "model"}
    assert _files(client, tracked, "figures") == {"curves.png"} and _files(client, tracked, "model") == {"model.pt"}
    logged = client.download_artifacts(tracked.info.run_id, "model/model.pt", str(tmp_path))
    with open(logged, "rb") as file:
        assert file.read() == (output_dir / "model.pt").read_bytes()
    assert not list(output_dir.glob("config_*"))  # MONAI's copy of the config


def test_an_evaluation_is_tracked(run_bundle, cohort, model_file, tmp_path):
    output_dir = tmp_path / "evaluation"
    run = run_bundle(
        "evaluate.yaml", dataset_dir=cohort, output_dir=output_dir, model_file=model_file, tracking="mlflow"
    )
    assert run.returncode == 0, run.stderr
    client, tracked = _the_run(output_dir)
    with (output_dir / "summary.csv").open() as file:
        rows = {(row["condition"], row["score"]): row for row in csv.DictReader(file)}
    for column in ("auprc", "dice"):
        logged = tracked.data.metrics[f"tumour/attribution/{column}"]
        assert logged == pytest.approx(float(rows["tumour", "attribution"][column]))
    assert tracked.data.params["model_file"] == str(model_file)
    assert {"evaluation.json", "threshold.json", "report.html", "figures", "model"} <= _files(client, tracked)
    pictures = {path.name for path in (output_dir / "report_figures").glob("*.png")}
    assert len(pictures) > 3 and _files(client, tracked, "figures") == pictures
