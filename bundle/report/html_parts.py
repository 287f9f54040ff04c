"""Pieces of an HTML page: escaped text, tables, pictures and sections, without a script or a link to elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = "n/a"
_LONG = 40  # characters of a cell that stay on one line


class Markup:
    """Content of a cell that is HTML already, such as a link."""

    def __init__(self, content: str) -> None:
        self.content = content


def text(value: Any) -> str:
    """Return a value as text in which no character starts a tag, an entity or ends an attribute."""
    return html.escape(str(value), quote=True)


def number(value: Any) -> str:
    """Return how a value is written: floats with three decimals, small and large ones shorter, None as n/a."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if 0 < abs(value) < 0.0005:
        return f"{value:.3g}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def plus_minus(value: float | None, deviation: float | None) -> str:
    """Return "value ± deviation", or the value alone where it has no deviation."""
    return number(value) if deviation is None else f"{number(value)} ± {number(deviation)}"


def paragraph(content: Any, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{_class(kind)}>{text(content)}</p>"


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], caption: str = "") -> str:
    """Return a table; the first column heads its row.

    Args:
        columns: key of a row -> heading.
        rows: rows; unknown values (absent, None) are shown as n/a.
        caption: line above the table.
    """
    kinds = {key: next((kind for row in rows if (kind := _kind(row.get(key)))), "") for key in columns}
    head = "".join(f'<th scope="col"{_class(kinds[key])}>{text(heading)}</th>' for key, heading in columns.items())
    lines = [_row([row.get(key) for key in columns]) for row in rows]
    title = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def facts(content: Mapping[str, Any], caption: str = "") -> str:
    """Return a table of two columns, whatever the values: entries of nested objects get rows of their own."""
    rows = [{"name": name, "value": number(value)} for name, value in _flat(content)]
    return table({"name": "What", "value": "Value"}, rows, caption) if rows else paragraph("Nothing was recorded.")


def picture(content: bytes, kind: str, alt: str, caption: str = "", style: str = "") -> str:
    """Return a figure whose bytes stand in the page.

    Args:
        content: bytes of the picture.
        kind: MIME type, such as ``image/png``.
        alt: what is shown, for readers who cannot see it.
        caption: line below it.
        style: class of the figure.
    """
    encoded = base64.b64encode(content).decode("ascii")
    line = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f'<figure{_class(style)}><img src="data:{kind};base64,{encoded}" alt="{text(alt)}">{line}</figure>'


def link(anchor: str, content: Any) -> str:
    """Return a link to an anchor of the page."""
    return f'<a href="#{text(anchor)}">{text(content)}</a>'


def document(title: str, style: str, header: str, body: str, images: str = "data:") -> str:
    """Return a whole page, which may load nothing but its pictures.

    Args:
        title: title of the window.
        style: style sheet.
        header: HTML of the page's head, below the name of the project.
        body: HTML of the rest.
        images: where pictures may come from, as a content security policy names it.
    """
    policy = f"default-src 'none'; img-src {images}; style-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
<header>
<p class="lead">Anomaly segmentation on brain FLAIR</p>
<h1>{text(title)}</h1>
{header}
</header>
{body}
</main>
</body>
</html>
"""


def section(anchor: str, title: str, *parts: str) -> str:
    """Return a section with a heading."""
    return f'<section id="{text(anchor)}"><h2>{text(title)}</h2>\n' + "\n".join(parts) + "\n</section>"


def folded(anchor: str, summary: str, *parts: str) -> str:
    """Return content that opens at a click, or when a link leads to its anchor, which stands inside for that.

    Args:
        anchor: identifier.
        summary: HTML of the line that is always shown.
        parts: HTML of the content.
    """
    return f'<details><summary>{summary}</summary><div id="{text(anchor)}">\n' + "\n".join(parts) + "\n</div></details>"


def _row(values: Sequence[Any]) -> str:
    first = f'<th scope="row"{_class(_kind(values[0]))}>{_cell(values[0])}</th>'
    return f"<tr>{first}" + "".join(f"<td{_class(_kind(value))}>{_cell(value)}</td>" for value in values[1:]) + "</tr>"


def _cell(value: Any) -> str:
    return value.content if isinstance(value, Markup) else text(number(value))


def _kind(value: Any) -> str:
    """Return the class of a cell: numbers stand on the right, and long text may be broken anywhere."""
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return "number"
    return "long" if isinstance(value, str) and len(value) > _LONG else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _flat(content: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(content, Mapping):
        return [row for key, value in content.items() for row in _flat(value, f"{name}, {key}" if name else str(key))]
    if isinstance(content, list) and any(isinstance(entry, (Mapping, list)) for entry in content):
        return [row for position, entry in enumerate(content, 1) for row in _flat(entry, f"{name} {position}")]
    if isinstance(content, list):
        return [(name, ", ".join(number(entry) for entry in content))]
    return [(name, content)]
