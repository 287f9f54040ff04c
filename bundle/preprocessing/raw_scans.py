"""Raw scans, with skull and on any grid, prepared for inference: listed, converted, preprocessed."""

from __future__ import annotations

import logging
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bundle.conventions import IMAGE, MASK, TEST
from bundle.data.dicom import read_series, require
from bundle.data.writer import save_nifti, write_json
from bundle.preprocessing import layout
from bundle.preprocessing.brain_extraction import OFFLINE
from bundle.preprocessing.inputs import Subject, list_subjects
from bundle.preprocessing.runner import run
from bundle.preprocessing.settings import Settings
from bundle.preprocessing.subject import DONE, REASON, STATUS
from bundle.preprocessing.volumes import read_volume

logger = logging.getLogger(__name__)

_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_FOLDER = "preprocessed"
_UNKNOWN = "unknown"  # condition, which inference has no use for


class RawScans:
    """Prepare raw scans in ``<output_dir>/preprocessed``, once, and remember which of them failed.

    Args:
        source: a volume (.nii, .nii.gz, .mha), a folder of volumes, a folder of DICOM series in a folder each or of one
            series, a datalist, whose images may be folders of a series, or a BIDS data set.
        output_dir: folder of the results.
        section: section of a datalist.
        pattern: names of files to take.
        series: which series to take of DICOM folders with several, see :py:func:`bundle.data.dicom.read_series`.
        brain_extraction: see :py:func:`bundle.preprocessing.extract_brain`.
        n4: whether to correct the bias field.
        spacing_mm: edge of the voxels of the model's grid.
    """

    def __init__(
        self,
        source: str | Path,
        output_dir: str | Path,
        section: str = TEST,
        pattern: str = "*",
        series: str | int | None = None,
        brain_extraction: str = OFFLINE,
        n4: bool = False,
        spacing_mm: float = 2.0,
    ) -> None:
        self.source = Path(source).expanduser()
        self.folder = Path(output_dir).absolute() / _FOLDER
        self.section = section
        self.pattern = pattern
        self.series = None if series is None else str(series)
        self.brain_extraction = brain_extraction
        self.n4 = n4
        self.spacing_mm = 1.0 if spacing_mm < 2.0 else 2.0  # FitToGridd does the rest
        self.failed: dict[str, str] = {}

    @property
    def datalist(self) -> Path:
        """Datalist of what was prepared, in its section ``test``."""
        return self.folder / layout.DATALIST

    def prepare(self) -> None:
        """Convert and preprocess the scans; those of an earlier run with the same files and parameters are kept.

        Raises:
            FileNotFoundError: When the source does not exist or holds no scan.
            ValueError: When the parameters or the source are wrong, or no scan could be prepared; the message has one
                line for each scan. Where some could, the others are logged and kept in ``failed``.
        """
        settings = Settings(self.spacing_mm, self.brain_extraction, self.n4)
        subjects = self.subjects()
        self.failed = {}
        converted = [self._converted(subject) for subject in tqdm(subjects, "reading scans", unit="scan", leave=False)]
        ready = [subject for subject in converted if subject is not None]
        results = run(ready, settings, self.folder, workers=1)
        for name, record in tqdm(results, "preprocessing", len(ready), unit="scan"):
            if record[STATUS] != DONE:
                self.fail(name, record[REASON])
        if len(self.failed) == len(subjects):
            self.check_all_done()

    def check_all_done(self) -> None:
        """Check that every scan was prepared, for the exit status of a run.

        Raises:
            ValueError: When one was not; the message has one line for each.
        """
        if self.failed:
            raise ValueError("\n".join(f"{name}: not segmented, {why}" for name, why in sorted(self.failed.items())))

    def subjects(self) -> list[Subject]:
        """List the scans of the source, each in the section ``test`` and without lesion mask.

        Raises:
            FileNotFoundError: When the source does not exist or holds no scan.
            ValueError: When it is of another kind, or a name stands twice.
        """
        listed = self.source.suffix == ".json"
        subjects = [
            Subject({key: value for key, value in subject.entry.items() if key != MASK})
            for subject in list_subjects(self.source, condition=_UNKNOWN)
            if (subject.section == self.section if listed else self._wanted(Path(subject.files[IMAGE])))
        ]
        if not subjects:
            wanted = f"section {self.section!r}" if listed else f"files named {self.pattern!r}"
            raise FileNotFoundError(f"{self.source}: there must be scans in {wanted}, got none; correct it")
        if any(subject.name == _FOLDER for subject in subjects):
            raise ValueError(f"{self.source}: no scan may have the name {_FOLDER!r}, which a folder has; rename it")
        return subjects

    def _wanted(self, image: Path) -> bool:
        """Tell whether a scan is asked for; the folder of the results holds DICOM too, which is none."""
        if image.is_dir():
            return not image.is_relative_to(self.folder.parent.resolve())
        return fnmatch(image.name, self.pattern)

    def _converted(self, subject: Subject) -> Subject | None:
        """Return a subject whose image is a NIfTI file, or None where it cannot be read."""
        image = Path(subject.files[IMAGE])
        note = series_file(self.folder, subject.name)
        note.unlink(missing_ok=True)
        if image.name.lower().endswith(_NIFTI_SUFFIXES):
            return subject
        target = note.with_suffix(".nii.gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if image.is_dir():
                require("highdicom")  # which writes the SEG at the very end
                series = read_series(image, self.series)
                save_nifti(_nifti(series.array, series.affine), target)
                files = [str(file.absolute()) for file in series.files]
                write_json(note, {"uid": series.uid, "description": series.description, "files": files})
            else:
                volume = read_volume(image)
                save_nifti(_nifti(volume.array, volume.affine), target)
        except (ValueError, OSError) as error:
            self.fail(subject.name, " ".join(str(error).split()))
            return None
        return Subject({**subject.entry, IMAGE: str(target)})

    def fail(self, name: str, reason: str) -> None:
        """Log that a scan failed, and remember it.

        Args:
            name: the subject.
            reason: why.
        """
        self.failed[name] = reason
        logger.error("%s: %s", name, reason)


def series_file(folder: Path, name: str) -> Path:
    """Return the file that notes the DICOM files of a subject.

    Args:
        folder: folder of the preprocessed scans.
        name: the subject.
    """
    return folder / "native" / f"{name}.json"


def _nifti(array: NDArray[Any], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    """Return a volume in scanner coordinates."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    return image
