from __future__ import annotations

import html
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from bundle.report import page as page_module
from bundle.report.html_parts import number
from bundle.report.page import WARNING, write_report
from tests.report.evaluation_toy import SUBJECTS, write_evaluation

NAME = '<b>x</b>&"'
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Collect ids, links, tables, sources and text, and check that tags are closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.content, self.open, self.ids, self.links, self.sources = content, [], [], [], []
        self.tags, self.rows, self.text, self.cell = set(), [], [], None
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []
        assert not {name for name in values if name.startswith("on")}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.rows[-1].append("".join(self.cell))
            self.cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self.cell is not None:
            self.cell.append(data)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    subjects = ((NAME, *SUBJECTS[0][1:]), *SUBJECTS[1:])
    return write_evaluation(tmp_path_factory.mktemp("toy"), subjects)


@pytest.fixture(scope="module")
def parsed(toy):
    return Page(write_report(toy).read_text(encoding="utf-8"))


@pytest.fixture
def run(toy, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(toy, tmp_path / "run")


@pytest.fixture
def without_drawing(monkeypatch):
    monkeypatch.setattr(page_module, "evaluation_figures", lambda run: [])
    monkeypatch.setattr(page_module, "mosaic_figures", lambda run: [])


def test_nothing_is_loaded_from_elsewhere(parsed):
    assert parsed.sources and all(source.startswith("data:image/") for source in parsed.sources)
    assert all(link.startswith("#") for link in parsed.links)
    assert parsed.tags.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form"})
    style = "".join(re.findall(r"<style>(.*?)</style>", parsed.content, re.DOTALL))
    assert style and "@import" not in style and "url(" not in style
    assert not re.search(r"https?://", parsed.content)


def test_every_anchor_leads_somewhere(parsed):
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)
    assert {f"#subject-{place}" for place in range(1, 6)} <= set(parsed.links)


def test_names_are_text(parsed):
    assert parsed.content.count(NAME) == 0 and html.escape(NAME) in parsed.content
    assert NAME in parsed.text and "toy & co" in "".join(parsed.text) and "cohort <7>" in "".join(parsed.text)


def test_numbers_are_those_of_the_evaluation(parsed, toy):
    record = json.loads((toy / "evaluation.json").read_text())
    for row in record["summary"]:
        if "auprc" in row:
            dice = number(row["dice"]) + ("" if row["dice_sd"] is None else f" ± {number(row['dice_sd'])}")
            areas = [f"{area}{region}" for region in ("", "_brain") for area in ("auprc", "auroc", "auroc10")]
            values = [row["subjects"], dice, *(row[area] for area in areas), row["threshold"]]
        else:
            values = [row["subjects"], row["false_positive_ml"], row.get("negative_fraction")]
        place = [row["condition"]] if "auprc" in row else []
        assert [*place, row["score"], *(number(value) for value in values)] in parsed.rows
    for row in record["lesions"]:
        counts = [row["lesions"], row["detected"], row["sensitivity"], row["false_positives_per_image"]]
        shown = [found for found in parsed.rows if found[:2] == [row["condition"], row["score"]]]
        assert [number(value) for value in counts] in [found[3:] for found in shown]
    for row in record["volumes"]:
        assert [number(value) for value in row.values()] in parsed.rows
    text = "".join(parsed.text)
    assert WARNING in text and f"TPR {number(record['classification']['tpr'])}" in text
    assert record["model_sha256"] in text and record["protocol"] in text


def test_sections_figures_and_pictures(parsed, toy):
    assert {"verdict", "pictures", "conditions", "decisions", "healthy", "attributions", "lesions"} <= set(parsed.ids)
    assert {"volumes", "subjects", "calibration", "provenance"} <= set(parsed.ids)
    assert {"sweep", "audit"}.isdisjoint(parsed.ids)
    names = {path.stem.split("_", 1)[1] for path in (toy / "report_figures").iterdir()}
    assert names == {
        *("ranking_tumour", "dice_tumour", "volumes_tumour", "mosaic_tumour", "mosaic_healthy"),
        *("histogram", "decisions"),
    }
    assert len(list((toy / "report_figures").iterdir())) == 2 * len(names)
    strips = [source for source in parsed.sources if source.startswith("data:image/jpeg")]
    planes = sum(len(np.load(path)["planes"]) for path in (toy / "report_slices").iterdir())
    assert len(strips) == planes and len(parsed.sources) == planes + len(names)


def test_size(parsed):
    assert len(parsed.content.encode()) < 3_000_000


def test_parts_of_other_files(run, without_drawing):
    (run / "evaluation_config.json").write_text(json.dumps({"device": "$<cuda>"}))
    (run / "evaluation_provenance.json").write_text(json.dumps({"date": "2026-01-02", "versions": {"torch": "9.9"}}))
    found = Page(write_report(run).read_text(encoding="utf-8"))
    assert "config" in found.ids
    assert ["versions, torch", "9.9"] in found.rows and "$<cuda>" in "".join(found.text)


def test_without_slices_the_page_says_so(run, without_drawing):
    shutil.rmtree(run / "report_slices")
    found = Page(write_report(run).read_text(encoding="utf-8"))
    assert "No slices are kept in report_slices, so there are no pictures." in found.text and found.sources == []


def test_slices_of_one_subject_are_missing(run, without_drawing):
    (run / "report_slices" / "0002.npz").unlink()
    found = Page(write_report(run).read_text(encoding="utf-8"))
    assert found.text.count("No slices of this subject are kept.") == 1 and found.sources


def test_one_subject(tmp_path, without_drawing):
    folder = write_evaluation(tmp_path, SUBJECTS[:1], slices=False)
    text = "".join(Page(write_report(folder).read_text(encoding="utf-8")).text)
    assert "nothing can be said (no test: a test needs at least 2 units, got 1)" in text
    assert "1 subject:" in text and "There are no healthy subjects" in text


def test_broken_input_writes_nothing(run):
    path = run / "report_slices" / "0003.npz"
    content = dict(np.load(path))
    content["attribution_0"][0, 0] = np.nan
    np.savez_compressed(path, **content)
    shutil.rmtree(run / "report_figures", ignore_errors=True)
    (run / "report.html").unlink(missing_ok=True)
    before = sorted(run.rglob("*"))
    with pytest.raises(ValueError, match=r"0003\.npz: the map must be finite, got 1 NaN"):
        write_report(run)
    assert sorted(run.rglob("*")) == before
