"""Complete what ``--tracking mlflow`` logs: MONAI logs metrics and learning rates; parameters and results come here.

MONAI adds its ``MLFlowHandler`` to the handlers of trainer, validator and evaluator. That handler ends the run when the
engine completes, before reports are drawn. `track_run` keeps the run open and `log_training` or `log_evaluation` ends
it. Without ``--tracking`` all of them do nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.config import PathLike
from monai.handlers import MLFlowHandler

from bundle.handlers.running_config import calling_parser

logger = logging.getLogger(__name__)

_PACKAGES = ("mlflow", "sqlalchemy", "alembic")  # the small distribution of MLflow comes without the last two
_LONGEST = 500  # characters of a parameter that every version of MLflow takes
_EVALUATION = ("evaluation_config.json", "evaluation.json", "summary.csv", "subjects.csv", "threshold.json")


def check_tracking() -> None:
    """Check that what ``--tracking mlflow`` needs is installed; for use in an ``initialize`` list, before handlers.

    Raises:
        ValueError: When it is asked for and a package is missing.
    """
    parser = calling_parser()
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if parser is not None and "tracking_uri" in parser and missing:
        raise ValueError(
            f"--tracking mlflow needs packages that are not installed: {', '.join(missing)}; "
            "pip install mlflow-skinny sqlalchemy alembic"
        )


def track_run(engine: Engine, handlers: Iterable[Any]) -> None:
    """Log the config's values when the engine starts, and leave the run open when it completes.

    For use in a config, before the engine runs. Values are numbers, texts and lists of them on the config's first
    level; the others stand in the config's file, which is logged too.

    Args:
        engine: trainer or evaluator.
        handlers: its handlers, in which MONAI puts its own.
    """
    parser = calling_parser()
    values = {} if parser is None else _scalars(parser.get())
    for handler in _mlflow(handlers):
        if engine.has_event_handler(handler.close, Events.COMPLETED):
            engine.remove_event_handler(handler.close, Events.COMPLETED)
        engine.add_event_handler(Events.STARTED, _log_parameters, handler, values)


def log_training(
    handlers: Iterable[Any], output_dir: PathLike, model_file: PathLike, draw: Callable[[], PathLike]
) -> None:
    """Log config, weights and curves of a training, and end its run.

    Args:
        handlers: the trainer's.
        output_dir: folder of the training.
        model_file: its best weights.
        draw: function that draws the curves and returns the picture; called only when a run is tracked.
    """
    for handler in _running(handlers):
        _log_files(handler, [Path(output_dir) / "config.json"])
        _log_files(handler, [model_file], "model")
        _log_files(handler, [draw()], "figures")
        handler.close()


def log_evaluation(handlers: Iterable[Any], output_dir: PathLike, model_file: PathLike) -> None:
    """Log metrics, tables, figures, weights and thresholds of an evaluation, and end its run.

    Args:
        handlers: the evaluator's.
        output_dir: folder of the evaluation.
        model_file: weights that were evaluated.
    """
    folder = Path(output_dir)
    for handler in _running(handlers):
        record = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        for name, value in evaluation_metrics(record).items():
            handler.client.log_metric(handler.cur_run.info.run_id, name, value)
        _log_files(handler, [folder / name for name in (*_EVALUATION, "report.html")])
        _log_files(handler, sorted((folder / "report_figures").glob("*.png")), "figures")
        _log_files(handler, [model_file], "model")
        handler.close()


def evaluation_metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an evaluation under the names by which they are logged.

    Args:
        record: content of evaluation.json.

    Returns:
        ``tpr``, ``tnr``, ... and ``<condition>/<score>/<column of summary.csv>`` -> value; unknown values are left out.
    """
    found = dict(record["classification"])
    for row in record["summary"]:
        found |= {f"{row['condition']}/{row['score']}/{key}": value for key, value in row.items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def _mlflow(handlers: Iterable[Any]) -> Sequence[Any]:
    return [handler for handler in handlers if isinstance(handler, MLFlowHandler)]


def _running(handlers: Iterable[Any]) -> Sequence[Any]:
    """Return MONAI's handlers that have a run: an engine with nothing left to do starts none."""
    return [handler for handler in _mlflow(handlers) if handler.cur_run is not None]


def _scalars(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that need no parsing, as text."""

    def plain(value: Any) -> bool:
        if isinstance(value, list):
            return all(plain(item) for item in value)
        return isinstance(value, int | float) or (isinstance(value, str) and not value.startswith(("$", "@", "%")))

    return {key: str(value) for key, value in config.items() if plain(value) and len(str(value)) <= _LONGEST}


def _log_parameters(handler: Any, values: Mapping[str, str]) -> None:
    """Log what the run does not hold yet: a training that goes on in its run may not change a parameter."""
    run_id = handler.cur_run.info.run_id
    known = handler.client.get_run(run_id).data.params
    for key, value in values.items():
        if key not in known:
            handler.client.log_param(run_id, key, value)


def _log_files(handler: Any, files: Iterable[PathLike], folder: str | None = None) -> None:
    run_id = handler.cur_run.info.run_id
    for file in files:
        if Path(file).is_file():
            handler.client.log_artifact(run_id, str(file), folder)
        else:
            logger.debug("%s is not there to be logged", file)
