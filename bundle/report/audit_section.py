"""The audit of an evaluation in plain words, tables and a figure: do the decisions rest on the anomalies?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bundle.metrics.significance import PairedTest
from bundle.report.comparison_csv import distinct, select
from bundle.report.evaluation_run import EvaluationRun
from bundle.report.evaluation_verdict import BaselineTest
from bundle.report.figure_files import COLOURS, add_legend, panels
from bundle.report.html_parts import folded, number, paragraph, plus_minus, table

FOREIGN = "audit.json is of other weights than this evaluation and is not shown. Run audit.yaml again."

_REGIONS = {"control": "control regions", "anomaly": "called anomaly", "lesion": "true lesion"}
_LINEAR = 0.1  # logits either side of zero; the figure's axis is logarithmic beyond


def own_audit(run: EvaluationRun) -> Mapping[str, Any]:
    """Return the audit of a run; empty where there is none, or one of other weights."""
    return run.audit if run.audit.get("model_sha256") == run.record.get("model_sha256") else {}


def audit_parts(run: EvaluationRun, figures: Sequence[str]) -> list[str]:
    """Return the HTML of the section; empty without an audit.

    Args:
        run: the evaluation.
        figures: HTML of the audit's figure.
    """
    audit = own_audit(run)
    if not audit:
        return [paragraph(FOREIGN, "note")] if run.audit else []
    findings = "".join(f"<li>{paragraph(sentence)}</li>" for sentence in audit_findings(audit))
    parts = [f'<ul class="findings">{findings}</ul>', _summary_table(audit), *figures]
    parts.append(paragraph(audit["protocol"], "note"))
    if audit["left_out"]:
        columns = {"subject": "Left out", "condition": "Condition", "reason": "Why"}
        parts.append(table(columns, audit["left_out"]))
    return [*parts, folded("audited", f"Every audited subject ({len(audit['subjects'])})", _subjects_table(audit))]


def audit_findings(audit: Mapping[str, Any]) -> list[str]:
    """Return the verdict and what it is drawn from as sentences.

    Args:
        audit: content of ``audit.json``, see :py:class:`bundle.handlers.ShortcutAuditHandler`.
    """
    return list(_sentences(audit))


def _sentences(audit: Mapping[str, Any]) -> Iterator[str]:
    row = audit["summary"][0]
    test = BaselineTest(row["condition"], "fall", paired_test(row["test"]))
    yield _headline(row, test)
    yield (
        f"{audit['called']} of {audit['pathological']} pathological subjects are called pathological; "
        f"{row['subjects']}, from {row['patients']} patients, are audited. With the called anomaly filled the image "
        f"logit falls by "
        f"{plus_minus(row['anomaly_fall'], row['anomaly_fall_sd'])}, with as much other tissue filled by "
        f"{plus_minus(row['control_fall'], row['control_fall_sd'])} ({test.explanation})."
    )
    yield (
        f"In {_percent(row['exceeds_all'])} of the subjects the anomaly's fall is larger than that of every one of the "
        f"control regions. {_percent(row['anomaly_turned'])} of the decisions turn to healthy without the anomaly, "
        f"{_percent(row['control_turned'])} without a control region."
    )
    if row["lesion_fall"] is None:
        yield "No true lesion is known: that the called anomaly decides does not say that it is the lesion."
    else:
        yield (
            "The anomaly was found by what moves the logit, the true lesion was not: with that filled the logit falls "
            f"by {plus_minus(row['lesion_fall'], row['lesion_fall_sd'])} and {_percent(row['lesion_turned'])} of the "
            "decisions turn to healthy. Where one stands, something outside the lesion speaks for pathology."
        )


def _headline(row: Mapping[str, Any], test: BaselineTest) -> str:
    if test.outcome == "no test":
        return "Nothing can be said about chance: there are too few patients for a test."
    if test.outcome == "worse":
        return "Decisions rest on other tissue more than on what was called anomalous: look for a shortcut."
    if test.outcome == "no difference shown":
        return "It is not shown that decisions rest on what was called anomalous more than on other tissue."
    if row["anomaly_turned"] >= 0.5:
        return "Decisions rest on what was called anomalous: most of them turn to healthy without it."
    return (
        "What was called anomalous speaks for the decisions more than other tissue does, but most of them stand "
        "without it: something else speaks for pathology too."
    )


def paired_test(content: Mapping[str, Any]) -> PairedTest:
    """Return a test as it was before JSON, which has no NaN."""
    values: dict[str, Any] = {key: math.nan if value is None else value for key, value in content.items()}
    return PairedTest(**values)


def _summary_table(audit: Mapping[str, Any]) -> str:
    rows = []
    for row in audit["summary"]:
        falls = {region: plus_minus(row[f"{region}_fall"], row[f"{region}_fall_sd"]) for region in _REGIONS}
        turned = {f"{region}_turned": _percent(row[f"{region}_turned"]) for region in _REGIONS}
        test = BaselineTest(row["condition"], "fall", paired_test(row["test"])).explanation
        rows.append({**row, **falls, **turned, "exceeds_all": _percent(row["exceeds_all"]), "test": test})
    columns = {
        "condition": "Condition",
        "subjects": "Subjects",
        "patients": "Patients",
        **{region: f"Fall by {name} (mean ± sd)" for region, name in _REGIONS.items()},
        "exceeds_all": "Anomaly above all controls",
        **{f"{region}_turned": f"Decisions turned by {name}" for region, name in _REGIONS.items()},
        "test": "Anomaly against controls",
    }
    return table(columns, rows)


def _subjects_table(audit: Mapping[str, Any]) -> str:
    columns = {
        "subject": "Subject",
        "condition": "Condition",
        "logit": "Logit",
        "anomaly_ml": "Called (ml)",
        "anomaly_fall": "Fall by called anomaly",
        "control_fall": "Mean fall by control regions",
        "largest": "Largest of these",
        "lesion_ml": "Lesion (ml)",
        "lesion_fall": "Fall by true lesion",
    }
    return table(columns, [{**row, "largest": max(row["control_falls"])} for row in audit["subjects"]])


def audit_figure(run: EvaluationRun) -> Figure | None:
    """Draw the falls of every subject, a panel a condition; a line joins those of a subject. None without an audit."""
    audit = own_audit(run)
    if not audit:
        return None
    conditions = distinct(audit["subjects"], "condition")
    figure, axes = panels(conditions)
    if len(conditions) == 1:
        figure.set_size_inches(6.5, 3.8)  # wide enough for the legend
    for axis, condition in zip(axes, conditions, strict=True):
        rows = select(audit["subjects"], condition=condition)
        falls = np.array([[row[f"{region}_fall"] for region in _REGIONS] for row in rows], dtype=float)
        shown = [place for place in range(len(_REGIONS)) if np.isfinite(falls[:, place]).any()]
        controls = [fall for row in rows for fall in row["control_falls"]]
        spread = np.random.default_rng(0).uniform(-0.12, 0.12, len(controls))  # so that equal falls stay apart
        axis.plot(spread, controls, ".", color="#bbbbbb", markersize=3, zorder=1, label="each control region")
        axis.plot(shown, falls[:, shown].T, color="#888888", linewidth=0.6, alpha=min(0.6, 10 / len(rows)), zorder=2)
        for place in shown:
            name = list(_REGIONS.values())[place]
            marker: dict[str, Any] = {"color": COLOURS[place], "marker": "os^"[place], "markersize": 5, "linestyle": ""}
            axis.plot(np.full(len(rows), place), falls[:, place], **marker, alpha=0.7, zorder=3, label=name)
        axis.axhline(0.0, color="#888888", linewidth=0.8)
        axis.set_yscale("symlog", linthresh=_LINEAR)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.margins(y=0.08)
        axis.set(xlim=(-0.5, len(shown) - 0.5), ylabel="fall of the image logit")
        axis.set_xticks(shown, [list(_REGIONS.values())[place].replace(" ", "\n") for place in shown])
    add_legend(figure)
    return figure


def _percent(share: float | None) -> str:
    return number(share) if share is None else f"{100 * share:.0f} %"
