"""What is added to MONAI's MLflow handler, on a store of its own and with engines that count."""

from __future__ import annotations

import json

import pytest
from ignite.engine import Engine
from mlflow import MlflowClient
from monai.bundle import ConfigParser
from monai.handlers import MLFlowHandler
from monai.utils import path_to_sqlite_uri

from bundle.handlers import tracking
from bundle.handlers.tracking import check_tracking, evaluation_metrics, log_evaluation, log_training, track_run

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")  # MLflow's tables

RECORD = {
    "classification": {"tpr": 0.75, "tnr": None},
    "summary": [
        {"condition": "ms", "score": "attribution", "subjects": 2, "auprc": 0.5, "dice_sd": None},
        {"condition": "healthy", "score": "intensity", "false_positive_ml": 1.5},
    ],
}


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return path_to_sqlite_uri(tmp_path_factory.mktemp("store") / "mlruns.db")


@pytest.fixture(autouse=True)
def _no_other_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def _handler(uri, name):
    return MLFlowHandler(uri, iteration_log=False, experiment_name="tests", run_name=name, close_on_complete=True)


def _engine(handler, step=lambda engine, batch: None):
    engine = Engine(step)
    handler.attach(engine)
    return engine


def _runs(uri, name):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tests")
    return client, [run for run in client.search_runs(experiment.experiment_id) if run.info.run_name == name]


def _config(uri, handler, engine, **values):
    """Call track_run from a config, as the workflows do."""
    config = {"tracking_uri": uri, "imports": ["$from bundle.handlers.tracking import track_run"], **values}
    parser = ConfigParser({**config, "engine": None, "handlers": None, "run": "$track_run(@engine, @handlers)"})
    parser.parse()
    parser.ref_resolver.resolved_content.update({"engine": engine, "handlers": [None, handler]})
    parser.get_parsed_content("run")


def _names(client, run, folder=None):
    return sorted(found.path for found in client.list_artifacts(run.info.run_id, folder))


def test_a_training_logs_its_values_config_weights_and_curves(uri, tmp_path):
    handler = _handler(uri, "training")
    engine = _engine(handler)
    _config(uri, handler, engine, alpha=2.5, shape=[4, 8], expression="$1 + 1", reference="@alpha", nested={"a": 1})
    engine.run([0, 1], max_epochs=3)
    for name in ("config.json", "best.pt", "curves.png"):
        (tmp_path / name).write_text(name)
    log_training([None, handler], tmp_path, tmp_path / "best.pt", lambda: tmp_path / "curves.png")
    client, (run,) = _runs(uri, "training")
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "tracking_uri": uri,
        "alpha": "2.5",
        "shape": "[4, 8]",
        "max_epochs": "3",
        "epoch_length": "2",
    }
    assert _names(client, run) == ["config.json", "figures", "model"]
    assert _names(client, run, "figures") + _names(client, run, "model") == ["figures/curves.png", "model/best.pt"]


def test_an_evaluation_logs_its_metrics_tables_and_figures(uri, tmp_path):
    handler = _handler(uri, "evaluation")
    engine = _engine(handler)
    track_run(engine, [handler])
    engine.run([0])
    (tmp_path / "report_figures").mkdir()
    (tmp_path / "evaluation.json").write_text(json.dumps(RECORD))
    for name in ("summary.csv", "report_figures/01_a.png", "report_figures/01_a.svg", "model.pt", "other.txt"):
        (tmp_path / name).write_text(name)
    log_evaluation([handler], tmp_path, tmp_path / "model.pt")
    client, (run,) = _runs(uri, "evaluation")
    assert run.info.status == "FINISHED" and run.data.metrics == evaluation_metrics(RECORD)
    assert _names(client, run) == ["evaluation.json", "figures", "model", "summary.csv"]
    assert _names(client, run, "figures") == ["figures/01_a.png"]


def test_a_training_that_was_stopped_goes_on_in_its_run(uri, tmp_path):
    def stop(engine, batch):
        raise KeyboardInterrupt

    for step, workers in ((stop, 0), (lambda engine, batch: None, 2)):
        handler = _handler(uri, "stopped")
        engine = _engine(handler, step)
        _config(uri, handler, engine, num_workers=workers)
        try:
            engine.run([0])
        except KeyboardInterrupt:
            assert [run.info.status for run in _runs(uri, "stopped")[1]] == ["RUNNING"]
    log_training([handler], tmp_path, tmp_path / "none.pt", lambda: tmp_path / "none.png")
    _, (run,) = _runs(uri, "stopped")
    assert run.info.status == "FINISHED" and run.data.params["num_workers"] == "0"  # a parameter cannot change


def test_without_a_run_nothing_is_logged(tmp_path):
    class _Idle(MLFlowHandler):
        def __init__(self):
            self.cur_run = None

    def draw():
        raise AssertionError("nothing is to be drawn")

    for handlers in ([], [None, object()], [_Idle()]):
        log_training(handlers, tmp_path, tmp_path / "model.pt", draw)
        log_evaluation(handlers, tmp_path / "absent", tmp_path / "model.pt")


def test_names_and_values_of_an_evaluation():
    assert evaluation_metrics(RECORD) == {
        "tpr": 0.75,
        "ms/attribution/subjects": 2.0,
        "ms/attribution/auprc": 0.5,
        "healthy/intensity/false_positive_ml": 1.5,
    }


@pytest.mark.parametrize("tracked", [True, False])
def test_missing_packages_are_named_when_a_run_is_tracked(tracked, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name in ("mlflow", "alembic") else name)
    config = {"imports": ["$from bundle.handlers.tracking import check_tracking"], "run": "$check_tracking()"}
    parser = ConfigParser({**config, "tracking_uri": "sqlite:///mlruns.db"} if tracked else config)
    if not tracked:
        assert parser.get_parsed_content("run") is None
        return
    with pytest.raises(RuntimeError) as raised:  # MONAI's, around that of the expression
        parser.get_parsed_content("run")
    assert isinstance(raised.value.__cause__, ValueError)
    assert "needs packages that are not installed: mlflow, alembic; pip install" in str(raised.value.__cause__)


def test_installed_packages_pass():
    assert check_tracking() is None
