"""Tables for people, drawn from the files that an evaluation wrote."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.data.files import write_text_atomically

logger = logging.getLogger(__name__)

_UNKNOWN = "n/a"


def markdown_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table.

    Args:
        columns: key of a row -> heading.
        rows: rows; unknown values (absent, None) are shown as n/a, floats with three decimals.
    """
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def evaluation_markdown(record: Mapping[str, Any]) -> str:
    """Return the tables of an evaluation: decisions, conditions, healthy subjects, subjects.

    Args:
        record: content of ``evaluation.json``, see :py:class:`bundle.handlers.EvaluationHandler`.
    """
    rates = record["classification"]
    lesions = [row for row in record["summary"] if "auprc" in row]
    healthy = [row for row in record["summary"] if "false_positive_ml" in row]
    shown = [
        {**row, "dice": _plus_minus(row["dice"], row["dice_sd"]), "threshold": f"{row['threshold']:.3g}"}
        for row in lesions
    ]
    parts = [
        f"# Evaluation: {record['source'] or 'unnamed data'}",
        f"TPR {_cell(rates['tpr'])} over {rates['pathological_subjects']} pathological and TNR {_cell(rates['tnr'])} "
        f"over {rates['healthy_subjects']} healthy subjects.",
        markdown_table(
            {
                "condition": "Condition",
                "score": "Score",
                "subjects": "Subjects",
                "auprc": "AUPRC",
                "auroc": "AUROC",
                "auroc10": "AUROC10",
                "auroc_brain": "AUROC, brain",
                "auroc10_brain": "AUROC10, brain",
                "dice": "Dice (mean ± sd)",
                "threshold": "Threshold",
            },
            shown,
        ),
    ]
    if healthy:
        headings = {
            "score": "Score, healthy subjects",
            "subjects": "Subjects",
            "false_positive_ml": "False positives (ml)",
            "negative_fraction": "Brain voxels with negative attribution",
        }
        parts.append(markdown_table(headings, healthy))
    scores = list(record["thresholds"])
    headings = {
        "subject": "Subject",
        "condition": "Condition",
        "probability": "Probability",
        "lesion_ml": "Lesion (ml)",
    }
    for name in scores:
        headings |= {f"{name}_dice": f"Dice, {name}", f"{name}_auprc": f"AUPRC, {name}"}
        headings |= {f"{name}_volume_ml": f"Volume (ml), {name}"}
    parts += [markdown_table(headings, record["subjects"]), record["protocol"]]
    return "\n\n".join(parts) + "\n"


def write_evaluation_table(output_dir: str | os.PathLike[str]) -> Path:
    """Draw ``evaluation.md`` beside the ``evaluation.json`` of a folder, log it and return its path.

    Raises:
        FileNotFoundError: When the folder holds no evaluation.
    """
    source = Path(output_dir) / "evaluation.json"
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}. Run evaluate.yaml with this output_dir first.")
    text = evaluation_markdown(json.loads(source.read_text(encoding="utf-8")))
    target = source.with_suffix(".md")
    write_text_atomically(target, text)
    logger.info("%s\n%s", target, text)
    return target


def _cell(value: Any) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plus_minus(value: float | None, deviation: float | None) -> str:
    return _cell(value) if deviation is None else f"{_cell(value)} ± {_cell(deviation)}"
