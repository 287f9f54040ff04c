from __future__ import annotations

import json

import pytest

from scripts.compare_scores import main

MAP = [0.50, 0.61, 0.72, 0.83, 0.55, 0.66, 0.77, 0.58]
BASELINE = [0.40, 0.50, 0.60, 0.70, 0.45, 0.55, 0.65, 0.50]


@pytest.fixture
def run_dir(tmp_path):
    """An evaluation of eight tumours whose map is better in each, and of a healthy subject."""
    subjects = [
        {"subject": f"sub-{i}", "condition": "tumour", "lesion_ml": 1.0, "logit": 1.0}
        | {f"attribution_{metric}": MAP[i] for metric in ("dice", "auprc")}
        | {f"intensity_{metric}": BASELINE[i] for metric in ("dice", "auprc")}
        for i in range(8)
    ]
    subjects.append({"subject": "sub-8", "condition": "healthy", "lesion_ml": None, "logit": 0.0})
    summary = [{"condition": "tumour", "score": score, "auprc": 0.5} for score in ("attribution", "intensity")]
    record = {"subjects": subjects, "summary": summary, "thresholds": {}, "decision": {}, "classification": {}}
    record |= {"source": "toy", "model_sha256": "", "protocol": ""}
    (tmp_path / "evaluation.json").write_text(json.dumps(record))
    return tmp_path


def test_an_exact_test_of_eight_subjects(run_dir, capsys):
    main([str(run_dir)])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| tumour")]
    assert [row[3] for row in rows] == ["Dice", "AUPRC"]
    difference = sum(MAP) / 8 - sum(BASELINE) / 8
    for row in rows:
        assert row[1:3] == ["attribution", "intensity"] and row[4] == "8"
        assert row[5].startswith(f"{difference:+.3f} (+")
        assert row[6] == f"{2 / 2**8:.4f} |"  # all of one sign: two of the 256 exchanges are as extreme


def test_a_subject_without_a_value_is_left_out_of_that_measure(run_dir, capsys):
    record = json.loads((run_dir / "evaluation.json").read_text())
    record["subjects"][0]["attribution_auprc"] = None  # such as a slice of a patient without a lesion
    (run_dir / "evaluation.json").write_text(json.dumps(record))
    main([str(run_dir)])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| tumour")]
    assert [row[3:5] for row in rows] == [["Dice", "8"], ["AUPRC", "7"]]


def test_a_score_that_was_not_evaluated_is_named(run_dir):
    with pytest.raises(SystemExit, match="got 'deviation' of attribution, intensity"):
        main([str(run_dir), "--score", "deviation"])


def test_folder_without_an_evaluation(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: no such file: .*evaluation\.json"):
        main([str(tmp_path)])
