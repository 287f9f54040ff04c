"""Reader of a datalist, to combine it with other sources."""

from __future__ import annotations

from pathlib import Path

from bundle.conventions import CONDITION, HEALTHY, IMAGE, LABEL, MASK, PATHOLOGICAL, PATIENT, SUBJECT
from bundle.data.cohorts.scan import DATASET, GROUP, HEALTHY_CONDITION, SITE, Scan, raise_problems
from bundle.data.records import load_sections


def read_datalist(source: Path, *, dataset: str = "") -> list[Scan]:
    """Read a datalist; every image stays in its section.

    Args:
        source: datalist, see :py:mod:`bundle.data.records`.
        dataset: name of the data set, put in front of subjects and patients; default: that of each entry, or the name
            of the datalist's folder, in front of nothing.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is not valid JSON or has problems; the message has one line for each.
    """
    sections = load_sections(source)
    raise_problems(
        [
            f"{source}: {entry[SUBJECT]}: a condition of label 1 must not be {HEALTHY_CONDITION!r}; correct one of them"
            for entries in sections.values()
            for entry in entries
            if entry[LABEL] == PATHOLOGICAL and entry[CONDITION] == HEALTHY_CONDITION
        ]
    )
    scans = [
        Scan(
            subject=entry[SUBJECT],
            patient=str(entry.get(PATIENT, entry[SUBJECT])),
            image=Path(entry[IMAGE]),
            condition=HEALTHY_CONDITION if entry[LABEL] == HEALTHY else entry[CONDITION],
            mask=Path(entry[MASK]) if MASK in entry else None,
            dataset=entry.get(DATASET, source.absolute().parent.name),
            site=entry.get(SITE, ""),
            group=entry.get(GROUP, ""),
            sections=(section,),
        )
        for section, entries in sections.items()
        for entry in entries
    ]
    return [scan.of(dataset) for scan in scans] if dataset else scans
