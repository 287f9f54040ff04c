"""Preprocess one subject into files: all of them under their final names, or a record of why not."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from bundle.conventions import MASK, SUBJECT
from bundle.data.writer import write_json
from bundle.preprocessing import layout
from bundle.preprocessing.inputs import Subject
from bundle.preprocessing.picture import draw_picture
from bundle.preprocessing.pipeline import Preprocessed, preprocess, single_thread
from bundle.preprocessing.provenance import describe_inputs, fingerprint, versions
from bundle.preprocessing.settings import Settings

logger = logging.getLogger(__name__)

DONE, FAILED = "done", "failed"
STATUS, REASON = "status", "reason"

Record = dict[str, Any]


def read_record(output_dir: Path, name: str) -> Record | None:
    """Return a subject's record; None where there is none that can be read."""
    try:
        record: Record = json.loads(layout.record_file(output_dir, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record


def is_complete(subject: Subject, settings: Settings, output_dir: Path) -> bool:
    """Tell whether a subject was preprocessed from the same files with the same parameters and is all there.

    Args:
        subject: the subject.
        settings: parameters.
        output_dir: folder of the preprocessed data set.
    """
    record = read_record(output_dir, subject.name)
    if record is None or record.get(STATUS) != DONE:
        return False
    files = layout.result_files(subject.name, MASK in subject.files)
    if not all((output_dir / file).is_file() for file in files):
        return False
    try:
        inputs = describe_inputs(subject, record.get("inputs"))
    except OSError:
        return False
    return bool(record.get("fingerprint") == fingerprint(subject, settings, inputs))


def preprocess_subject(subject: Subject, settings: Settings, output_dir: Path) -> Record:
    """Preprocess one subject and write its files and its record.

    A subject that fails leaves no result of an earlier run behind. Its record says why; the error is not raised, so
    that others go on.

    Args:
        subject: the subject.
        settings: parameters.
        output_dir: folder of the preprocessed data set.

    Returns:
        The record.
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    record: Record = {SUBJECT: subject.name, "section": subject.section, "entry": subject.facts}
    record |= {"parameters": asdict(settings), "versions": versions(), "date": started.isoformat(timespec="seconds")}
    partial = output_dir / layout.PARTIAL / subject.name
    try:
        _remove_results(subject.name, output_dir)
        record["inputs"] = describe_inputs(subject)
        record["fingerprint"] = fingerprint(subject, settings, record["inputs"])
        with single_thread():
            result = preprocess(subject, settings)
            record |= _findings(result)
            _write(result, settings, subject.name, partial)
        _move(partial, output_dir)
        record[STATUS] = DONE
    except Exception as error:  # whatever is wrong with one subject must not end the run of the others
        logger.debug("%s failed", subject.name, exc_info=True)
        record |= {STATUS: FAILED, REASON: _reason(error)}
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    record["seconds_total"] = round(time.perf_counter() - clock, 2)
    try:
        write_json(layout.record_file(output_dir, subject.name), record)
    except OSError as error:
        record |= {STATUS: FAILED, REASON: record.get(REASON) or _reason(error)}
    return record


def _findings(result: Preprocessed) -> dict[str, Any]:
    """Return what the record says about a result."""
    native, registration = result.native, result.registration
    voxel_ml = float(np.prod(voxel_sizes(native.affine))) / 1000
    return {
        "native": {"shape": list(native.stored_shape), "affine": native.stored_affine.tolist()},
        "brain_ml": round(np.count_nonzero(result.brain) * voxel_ml, 1),
        "lesion_ml": result.lesion_ml,
        "mutual_information": registration.mutual_information,
        "brain_overlap": registration.overlap,
        "seconds": result.seconds,
    }


def _write(result: Preprocessed, settings: Settings, name: str, partial: Path) -> None:
    """Write the files of a result into a folder of their own."""
    shutil.rmtree(partial, ignore_errors=True)
    for folder in layout.FOLDERS:
        (partial / folder).mkdir(parents=True, exist_ok=True)
    _save(result.image, settings, partial / layout.image_file(name))
    if result.mask is not None:
        _save(result.mask, settings, partial / layout.mask_file(name))
    transform = result.registration.transform
    sitk.WriteTransform(transform, str(partial / layout.to_mni_file(name)))
    sitk.WriteTransform(transform.GetInverse(), str(partial / layout.to_native_file(name)))
    draw_picture(partial / layout.picture_file(name), result, settings)


def _save(array: NDArray[Any], settings: Settings, path: Path) -> None:
    """Write a volume in MNI space."""
    image = nib.Nifti1Image(array, settings.grid.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(settings.grid.affine, code="mni")
    image.set_qform(settings.grid.affine, code="mni")
    nib.save(image, path)


def _move(partial: Path, output_dir: Path) -> None:
    """Move all files of a folder to their places."""
    for file in sorted(path for path in partial.rglob("*") if path.is_file()):
        file.replace(output_dir / file.relative_to(partial))


def _remove_results(name: str, output_dir: Path) -> None:
    """Remove what an earlier run wrote for a subject, its record first."""
    layout.record_file(output_dir, name).unlink(missing_ok=True)
    for file in layout.result_files(name, masked=True):
        (output_dir / file).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """Return an error's message on one line; errors that no step foresaw name their kind."""
    message = " ".join(str(error).split()) or "no message"
    return message if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {message}"


def summary(records: Mapping[str, Record]) -> str:
    """Return how many subjects are done, and why the others are not, one a line.

    Args:
        records: subject -> record.
    """
    failed = {name: record[REASON] for name, record in records.items() if record[STATUS] == FAILED}
    lines = [f"{len(records) - len(failed)} of {len(records)} subjects done, {len(failed)} failed"]
    return "\n".join(lines + [f"  {name}: {reason}" for name, reason in sorted(failed.items())])
