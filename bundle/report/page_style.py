"""Style of the report's page."""

from __future__ import annotations

STYLE = """
:root { --ink: #1c2430; --soft: #5a6675; --line: #d9dfe6; --back: #f5f7f9; --accent: #0b5c94; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  "Helvetica Neue", Arial, "Liberation Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 1.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.5rem 0 0.2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 2.8rem 0 0.8rem; padding-bottom: 0.3rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 0.5rem; }
p { max-width: 75ch; margin: 0.5rem 0; }
a { color: var(--accent); text-underline-offset: 0.15em; }
.lead, .note, figcaption { color: var(--soft); }
.note { font-size: 0.88rem; }
.warning { border-left: 4px solid #d55e00; background: #fdf3ec; padding: 0.6rem 0.9rem; }
nav { background: var(--back); border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0;
  padding: 0.7rem 1.1rem; }
nav ol { margin: 0; padding-left: 1.3rem; columns: 3 12rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.8rem; margin: 1rem 0; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 0.7rem 0.9rem; }
.card b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card span { display: block; font-weight: 600; }
.card small { color: var(--soft); }
ul.findings { max-width: 80ch; padding-left: 1.2rem; }
ul.findings li { margin: 0.5rem 0; }
.scroll { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { padding: 0.32rem 0.6rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { background: var(--back); vertical-align: bottom; border-bottom: 2px solid var(--line); }
tbody th { font-weight: 500; }
tbody tr:hover { background: #f8fafc; }
th, td { white-space: nowrap; }
thead th { white-space: normal; min-width: 4.4rem; }
th.number, td.number { text-align: right; }
th.long, td.long { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { font-size: 0.88rem; margin-top: 0.3rem; max-width: 85ch; }
.strip { margin: 0.4rem 0 0.9rem; }
.strip img { width: 100%; max-width: 940px; background: #000; }
.panels { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; max-width: 940px; font-size: 0.85rem;
  font-weight: 600; margin-top: 0.8rem; }
.key { font-size: 0.88rem; }
.key i { display: inline-block; width: 0.9em; height: 0.9em; border: 1px solid #777; margin: 0 0.3em 0 0.9em;
  vertical-align: -0.1em; }
details { border: 1px solid var(--line); border-radius: 8px; margin: 0.5rem 0; padding: 0 0.9rem; }
details[open] { padding-bottom: 0.8rem; }
summary { cursor: pointer; padding: 0.5rem 0; overflow-wrap: anywhere; }
summary b { margin-right: 0.8em; }
summary small { color: var(--soft); font-variant-numeric: tabular-nums; }
pre { background: var(--back); padding: 0.8rem; overflow-x: auto; font-size: 0.8rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h2, h3, summary { break-after: avoid; }
  figure, .card, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 0.72rem; }
  th, td { padding: 0.15rem 0.35rem; }
  thead th { min-width: 0; }
  details { border: 0; padding: 0; }
  details::details-content { content-visibility: visible; display: block; }
}
"""
"""Light, legible in print; no font, picture or style sheet is loaded from elsewhere."""
