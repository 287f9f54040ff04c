"""Preprocess many subjects beside each other with Dask, and go on where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bundle.conventions import IMAGE, MASK, SUBJECT
from bundle.data.records import SECTIONS
from bundle.data.writer import write_json
from bundle.preprocessing import layout
from bundle.preprocessing.inputs import Subject
from bundle.preprocessing.settings import Settings
from bundle.preprocessing.subject import (
    DONE,
    FAILED,
    REASON,
    STATUS,
    Record,
    is_complete,
    preprocess_subject,
    read_record,
)

# Dask lets workers give freed memory back at once; taking it again page by page costs a fifth of a subject's time.
_ALLOCATOR = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
_KEPT_BYTES = 1 << 30


def run(
    subjects: Sequence[Subject],
    settings: Settings,
    output_dir: Path,
    *,
    workers: int = 2,
    scheduler: str | None = None,
) -> Iterator[tuple[str, Record]]:
    """Preprocess the subjects that are not complete yet; the datalist is there once the iterator is exhausted.

    Args:
        subjects: the subjects.
        settings: parameters.
        output_dir: folder of the preprocessed data set; made where it does not exist.
        workers: processes of a cluster on this machine; 1 works in this process.
        scheduler: address of a Dask scheduler instead, whose workers see the same files.

    Yields:
        Name and record of every subject, complete ones first, the others in order of completion.

    Raises:
        ValueError: When ``workers`` is below 1, or the scheduler cannot be reached.
        OSError: When the folder cannot be written to.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    output_dir = output_dir.absolute()
    for folder in layout.FOLDERS:
        (output_dir / folder).mkdir(parents=True, exist_ok=True)
    missing, records = [], {}
    for subject in subjects:
        record = read_record(output_dir, subject.name)
        if record is None or not is_complete(subject, settings, output_dir):
            missing.append(subject)
            continue
        records[subject.name] = record
        yield subject.name, record
    for name, record in _preprocess_all(missing, settings, output_dir, workers, scheduler):
        records[name] = record
        yield name, record
    write_json(output_dir / layout.DATALIST, datalist(subjects, records, settings))


def datalist(subjects: Sequence[Subject], records: dict[str, Record], settings: Settings) -> dict[str, Any]:
    """Return the datalist of the subjects that are done, with paths relative to its folder.

    Args:
        subjects: all subjects, in the order of their entries.
        records: record of each.
        settings: parameters.
    """
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for subject in subjects:
        if records[subject.name][STATUS] == DONE:
            entry = {**subject.facts, IMAGE: layout.image_file(subject.name)}
            if MASK in subject.files:
                entry[MASK] = layout.mask_file(subject.name)
            sections[subject.section].append(entry)
    return {
        "name": "Preprocessed FLAIR volumes",
        "description": f"on the MNI152 grid, brain extraction: {settings.brain_extraction}, N4: {settings.n4}, "
        f"intensities normalised: {settings.normalise}; made by scripts.preprocess",
        "grid_spacing_mm": [settings.spacing_mm] * 3,
        **{section: entries for section, entries in sections.items() if entries},
    }


def _preprocess_all(
    subjects: Sequence[Subject], settings: Settings, output_dir: Path, workers: int, scheduler: str | None
) -> Iterator[tuple[str, Record]]:
    """Preprocess subjects in this process or on a cluster, and yield them in order of completion."""
    if not subjects:
        return
    if scheduler is None and (workers == 1 or len(subjects) == 1):
        for subject in subjects:
            yield subject.name, preprocess_subject(subject, settings, output_dir)
        return
    from distributed import as_completed  # imported here: a run in one process has no need of a cluster

    with _client(min(workers, len(subjects)), scheduler) as client:
        names = {
            client.submit(preprocess_subject, subject, settings, output_dir, pure=False): subject.name
            for subject in subjects
        }
        for future in as_completed(names):
            if future.status == "finished":
                yield names[future], future.result()
            else:
                yield names[future], _lost(names[future], future.exception(), output_dir)
            future.release()


def _lost(name: str, error: BaseException | None, output_dir: Path) -> Record:
    """Record a subject whose worker died, for example for want of memory."""
    reason = f"its worker died ({type(error).__name__}); give it more memory, or use fewer workers"
    record: Record = {SUBJECT: name, STATUS: FAILED, REASON: reason}
    write_json(layout.record_file(output_dir, name), record)
    return record


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """Connect to a scheduler, or to a cluster of this machine's own that ends with the run."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no Dask scheduler answers at {scheduler!r} ({error}); start one or correct it"
            ) from error
        with client:
            yield client
        return
    with (
        dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": _KEPT_BYTES for name in _ALLOCATOR}),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client
