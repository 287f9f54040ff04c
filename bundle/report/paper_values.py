"""Values that the paper printed, to stand beside ours.

Source:
    Wargnier-Dauchelle, Grenier, Durand-Dubief, Cotton, Sdika, "A Weakly Supervised Gradient Attribution Constraint for
    Interpretable Classification and Anomaly Detection", IEEE TMI 42(11), 2023, tables II to V. Values are text, so that
    they keep the digits, the deviation and the † (differs from Unsup) of the print.
"""

from __future__ import annotations

from collections.abc import Sequence

TABLE_4_COLUMNS = ("dice", "auroc", "auroc10", "auprc", "tpr", "tnr")

_TABLE_4 = """
BraTS 2020 2mm
sup      | 0.71 ± 0.17† | 0.85† | 0.76† | 0.73† | 1.00 | 0.95
noconsg  | 0.29 ± 0.16† | 0.61† | 0.34† | 0.16† | 1.00 | 1.00
noconsgc | 0.12 ± 0.16† | 0.62† | 0.15† | 0.04† | 1.00 | 1.00
ross     | 0.48 ± 0.20† | 0.80 | 0.63 | 0.39 | 1.00 | 1.00
erion    | 0.29 ± 0.15† | 0.70† | 0.40† | 0.19† | 1.00 | 1.00
unsup    | 0.51 ± 0.16 | 0.73 | 0.62 | 0.45 | 1.00 | 0.95
BraTS 2020 1mm
sup      | 0.70 ± 0.15† | 0.78† | 0.68† | 0.66† | 0.93 | 0.95
noconsg  | 0.27 ± 0.13† | 0.70† | 0.38† | 0.18† | 0.86 | 1.00
noconsgc | 0.48 ± 0.20† | 0.90† | 0.65 | 0.40 | 0.86 | 1.00
ross     | 0.40 ± 0.19† | 0.89† | 0.66† | 0.44 | 1.00 | 1.00
erion    | 0.29 ± 0.18† | 0.78† | 0.36† | 0.19† | 1.00 | 1.00
unsup    | 0.52 ± 0.17 | 0.69 | 0.56 | 0.45 | 1.00 | 1.00
BraTS 2020 1mm with N4 correction
sup      | 0.55 ± 0.18† | 0.70† | 0.55 | 0.49† | 0.98 | 1.00
noconsg  | 0.18 ± 0.07† | 0.71† | 0.33† | 0.14† | 1.00 | 1.00
noconsgc | 0.20 ± 0.17† | 0.79† | 0.19† | 0.08† | 1.00 | 1.00
ross     | 0.19 ± 0.11† | 0.77† | 0.38† | 0.17† | 1.00 | 1.00
erion    | 0.16 ± 0.07† | 0.66† | 0.23† | 0.08† | 1.00 | 1.00
unsup    | 0.38 ± 0.15 | 0.73 | 0.50 | 0.30 | 0.94 | 1.00
MS 1mm
sup      | 0.24 ± 0.18 | 0.53† | 0.46 | 0.24† | 0.77 | 0.77
noconsg  | 0.001 ± 0.002† | 0.63† | 0.41 | 0.02† | 1.00 | 1.00
noconsgc | 0.0003 ± 0.0007† | 0.34† | 0.01† | 0.002† | 1.00 | 1.00
ross     | 0.09 ± 0.09† | 0.70† | 0.45 | 0.04† | 1.00 | 1.00
erion    | 0.01 ± 0.01† | 0.60 | 0.35† | 0.01† | 1.00 | 1.00
unsup    | 0.25 ± 0.16 | 0.60 | 0.51 | 0.20 | 0.89 | 0.91
"""

TABLE_5_COLUMNS = TABLE_4_COLUMNS[:4]

MIDDLE_SLICES = "BraTS 2019 1mm middle slices"

# Our copy of the print lacks the last column of three rows. Unsup's † of MS is that of the print.
_TABLE_5 = """
BraTS 2020 2mm
silva_rodriguez | 0.37 ± 0.17† | 0.92† | 0.56  | 0.32†
ae              | 0.26 ± 0.11† | 0.90† | 0.36† | 0.16†
vae             | 0.25 ± 0.14† | 0.91† | 0.30† | 0.15†
f_anogan        | 0.17 ± 0.10† | 0.79  | 0.06† | 0.06†
unsup           | 0.51 ± 0.16  | 0.73  | 0.62  | 0.45
BraTS 2020 1mm
silva_rodriguez | 0.33 ± 0.20† | 0.91† | 0.52  |
ae              | 0.28 ± 0.11† | 0.91† | 0.43  | 0.17†
vae             | 0.24 ± 0.13† | 0.91† | 0.34† | 0.15†
f_anogan        | 0.16 ± 0.10† | 0.84† | 0.16† | 0.09†
unsup           | 0.52 ± 0.17  | 0.69  | 0.56  | 0.45
BraTS 2020 1mm with N4 correction
silva_rodriguez | 0.18 ± 0.09† | 0.88† | 0.19† |
ae              | 0.23 ± 0.10† | 0.88† | 0.35  | 0.15†
vae             | 0.18 ± 0.10† | 0.87† | 0.26† | 0.11†
f_anogan        | 0.16 ± 0.09† | 0.84† | 0.18† | 0.09†
unsup           | 0.38 ± 0.15  | 0.73  | 0.50  | 0.30
BraTS 2019 1mm middle slices
silva_rodriguez | 0.54 ± 0.22  | 0.97  | 0.78  |
unsup           | 0.62 ± 0.14  | 0.96  | 0.78  | 0.72
MS 1mm
silva_rodriguez | 0.10 ± 0.08† | 0.93† | 0.50  | 0.05†
ae              | 0.10 ± 0.09† | 0.95† | 0.67  | 0.05†
vae             | 0.03 ± 0.03† | 0.92† | 0.36  | 0.01†
f_anogan        | 0.02 ± 0.02† | 0.81† | 0.10† | 0.01†
unsup           | 0.25 ± 0.16† | 0.60  | 0.51  | 0.18
"""

AGREEMENT_METHODS = ("sup", "unsup", "unsup_tv", "ross", "erion")
"""Columns of tables II and III; the sixth is their average."""

AGREEMENT_DATA = "BraTS 2020 2mm"  # "measured on 2mm brain tumors images"

_TABLE_2 = """
EG.EG NO.EG | 0.09 ± 0.04 | 0.46 ± 0.07 | 0.45 ± 0.06 | 0.48 ± 0.08 | 0.30 ± 0.09 | 0.36 ± 0.07
EG.EG IG.EG | 0.36 ± 0.09 | 0.59 ± 0.10 | 0.57 ± 0.07 | 0.83 ± 0.03 | 0.54 ± 0.07 | 0.58 ± 0.07
EG.EG G.EG  | 0.82 ± 0.06 | 0.81 ± 0.06 | 0.65 ± 0.09 | 0.93 ± 0.02 | 0.40 ± 0.06 | 0.72 ± 0.06
IG.IG G.IG  | 0.64 ± 0.10 | 0.44 ± 0.14 | 0.64 ± 0.13 | 0.58 ± 0.17 | 0.50 ± 0.05 | 0.56 ± 0.12
"""

_TABLE_3 = """
EG.EG IG.EG  | 0.36 ± 0.09 | 0.59 ± 0.19 | 0.57 ± 0.07 | 0.83 ± 0.03 | 0.54 ± 0.07 | 0.58 ± 0.09
EG.EG IEG.EG | 0.95 ± 0.03 | 0.86 ± 0.07 | 0.75 ± 0.07 | 0.87 ± 0.03 | 0.27 ± 0.07 | 0.74 ± 0.05
IG.IG EG.IG  | 0.36 ± 0.12 | 0.43 ± 0.09 | 0.52 ± 0.10 | 0.63 ± 0.23 | 0.48 ± 0.10 | 0.48 ± 0.13
IG.IG IEG.IG | 0.66 ± 0.09 | 0.67 ± 0.05 | 0.61 ± 0.09 | 0.79 ± 0.09 | 0.25 ± 0.08 | 0.59 ± 0.08
"""


PrintedTable = dict[str, dict[str, dict[str, str]]]
"""Data set -> row -> column -> printed value, empty where it is not known."""


def table_4() -> PrintedTable:
    """Return table IV, with the rows ``sup``, ``noconsg``, ``noconsgc``, ``ross``, ``erion`` and ``unsup``."""
    return _table(_TABLE_4, TABLE_4_COLUMNS)


def table_5() -> PrintedTable:
    """Return table V, with the rows ``silva_rodriguez``, ``ae``, ``vae``, ``f_anogan`` and ``unsup``."""
    return _table(_TABLE_5, TABLE_5_COLUMNS)


def _table(text: str, columns: Sequence[str]) -> PrintedTable:
    table: PrintedTable = {}
    data = ""
    for line in text.strip().splitlines():
        name, *values = _cells(line)
        if values:
            table[data][name] = dict(zip(columns, values, strict=True))
        else:
            data = name
            table[data] = {}
    return table


def agreement_tables() -> dict[str, dict[tuple[str, str], dict[str, str]]]:
    """Return tables II and III: number -> pair of maps -> column -> printed value; ``average`` is the last column."""
    columns = (*AGREEMENT_METHODS, "average")
    tables: dict[str, dict[tuple[str, str], dict[str, str]]] = {"II": {}, "III": {}}
    for number, text in (("II", _TABLE_2), ("III", _TABLE_3)):
        for line in text.strip().splitlines():
            pair, *values = _cells(line)
            first, second = pair.split()
            tables[number][first, second] = dict(zip(columns, values, strict=True))
    return tables


def similar_data(cohort: str, condition: str, printed: PrintedTable) -> str | None:
    """Return the data set of a table that a cohort's condition is set beside; None where the paper has none.

    Tumours stand beside BraTS 2020 2mm, the project's grid, unless the cohort's name says ``1mm`` or ``n4``, or ``2d``
    where the table has slices.
    """
    name = cohort.lower()
    if condition == "ms":
        return "MS 1mm"
    if condition != "tumour":
        return None
    if "2d" in name and MIDDLE_SLICES in printed:
        return MIDDLE_SLICES
    if "n4" in name:
        return "BraTS 2020 1mm with N4 correction"
    return "BraTS 2020 1mm" if "1mm" in name else "BraTS 2020 2mm"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]
