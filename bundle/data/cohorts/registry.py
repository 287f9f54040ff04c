"""The readers by name, and their one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bundle.data.cohorts.bids import read_bids
from bundle.data.cohorts.brats import read_brats
from bundle.data.cohorts.edmus import read_edmus
from bundle.data.cohorts.existing import read_datalist
from bundle.data.cohorts.folders import read_folders
from bundle.data.cohorts.kirby21 import read_kirby21
from bundle.data.cohorts.msseg2016 import read_msseg2016
from bundle.data.cohorts.scan import Scan, check_unique
from bundle.data.cohorts.table import read_table_cohort

# A reader takes a source and keyword options, and returns the scans that it finds there.
READERS: Mapping[str, Callable[..., list[Scan]]] = {
    "bids": read_bids,
    "brats": read_brats,
    "datalist": read_datalist,
    "edmus": read_edmus,
    "folders": read_folders,
    "kirby21": read_kirby21,
    "msseg2016": read_msseg2016,
    "table": read_table_cohort,
}


def read_cohort(reader: str, source: str | Path, **options: Any) -> list[Scan]:
    """Read a data set.

    Args:
        reader: name of the reader.
        source: folder or file that it reads.
        options: options of the reader.

    Returns:
        The scans, sorted by subject.

    Raises:
        FileNotFoundError: When the source does not hold what the reader looks for.
        ValueError: When there is no such reader, or the source has problems; the message has one line for each.
    """
    if reader not in READERS:
        raise ValueError(f"a reader is one of {', '.join(READERS)}, got {reader!r}; correct the name")
    scans = sorted(READERS[reader](Path(source).expanduser(), **options), key=lambda scan: scan.subject)
    check_unique(scans)
    return scans
