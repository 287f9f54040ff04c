from __future__ import annotations

import json

import pytest

from bundle.report import evaluation_markdown, markdown_table, write_evaluation_table

RECORD = {
    "source": "toy",
    "protocol": "How it was measured.",
    "thresholds": {"attribution": 0.00012},
    "classification": {"tpr": 0.5, "tnr": None, "pathological_subjects": 2, "healthy_subjects": 0},
    "summary": [
        {
            "condition": "ms",
            "score": "attribution",
            "subjects": 1,
            "auprc": 0.25,
            "auroc": 0.75,
            "auroc10": 0.125,
            "auroc_brain": 0.7,
            "auroc10_brain": 0.1,
            "dice": 0.5,
            "dice_sd": None,
            "threshold": 0.00012,
        }
    ],
    "subjects": [{"subject": "a", "condition": "ms", "probability": 0.9, "attribution_dice": 0.5}],
}


def test_markdown_table():
    table = markdown_table({"a": "A", "b": "B"}, [{"a": 0.12345, "b": None}, {"a": 2}])
    assert table == "| A | B |\n| --- | --- |\n| 0.123 | n/a |\n| 2 | n/a |"


def test_evaluation_markdown():
    text = evaluation_markdown(RECORD)
    assert "TPR 0.500 over 2 pathological and TNR n/a over 0 healthy subjects." in text
    assert "| ms | attribution | 1 | 0.250 | 0.750 | 0.125 | 0.700 | 0.100 | 0.500 | 0.00012 |" in text
    assert "healthy subjects |" not in text and "How it was measured." in text
    healthy = {"condition": "healthy", "score": "attribution", "subjects": 3, "false_positive_ml": 1.5}
    with_deviation = {**RECORD["summary"][0], "dice_sd": 0.25}
    text = evaluation_markdown({**RECORD, "summary": [with_deviation, healthy]})
    assert "| 0.500 ± 0.250 |" in text and "| attribution | 3 | 1.500 | n/a |" in text


def test_the_table_is_drawn_from_the_file(tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps(RECORD))
    assert write_evaluation_table(tmp_path).read_text() == evaluation_markdown(RECORD)
    with pytest.raises(FileNotFoundError, match=r"absent.evaluation\.json"):
        write_evaluation_table(tmp_path / "absent")
