from __future__ import annotations

import base64

import pytest

from bundle.report.html_parts import Markup, facts, folded, link, number, picture, plus_minus, section, table, text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "n/a"),
        (0.0, "0.000"),
        (0.12345, "0.123"),
        (-0.5, "-0.500"),
        (0.000159, "0.000159"),
        (-2.0e-7, "-2e-07"),
        (9.9994, "9.999"),
        (1505.44, "1505.4"),
        (7, "7"),
        (True, "True"),
        ("a", "a"),
    ],
)
def test_numbers(value, written):
    assert number(value) == written


def test_deviation():
    assert plus_minus(0.5, 0.25) == "0.500 ± 0.250" and plus_minus(0.5, None) == "0.500"


def test_all_text_is_escaped():
    wild = "<b>x</b>&\"'"
    safe = "&lt;b&gt;x&lt;/b&gt;&amp;&quot;&#x27;"
    assert text(wild) == safe
    made = [
        table({"a": wild, "b": "B"}, [{"a": wild, "b": wild}], wild),
        facts({wild: wild}),
        picture(b"x", "image/png", wild, wild),
        link(wild, wild),
        section(wild, wild),
        folded(wild, ""),
    ]
    assert all(wild not in part and safe in part for part in made)


def test_table():
    made = table({"a": "A", "b": "B"}, [{"a": "x", "b": 0.5}, {"a": Markup("<i>y</i>")}])
    assert '<th scope="col">A</th><th scope="col" class="number">B</th>' in made
    assert '<tr><th scope="row">x</th><td class="number">0.500</td></tr>' in made
    assert '<tr><th scope="row"><i>y</i></th><td class="number">n/a</td></tr>' in made


def test_nested_facts():
    made = facts({"a": {"b": 1, "c": [1.0, None]}, "d": [{"e": "x"}], "f": {}})
    rows = [("a, b", "1"), ("a, c", "1.000, n/a"), ("d 1, e", "x")]
    for name, value in rows:
        assert f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' in made
    assert made.count("<tr>") == 1 + len(rows)
    assert facts({}) == "<p>Nothing was recorded.</p>"


def test_picture_holds_its_bytes():
    made = picture(b"\x00\xff", "image/png", "alt")
    encoded = made.split("base64,")[1].split('"')[0]
    assert base64.b64decode(encoded) == b"\x00\xff"


def test_anchor_of_folded_content_stands_inside():
    assert folded("here", "<b>s</b>", "x").startswith('<details><summary><b>s</b></summary><div id="here">')
