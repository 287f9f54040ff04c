"""What a preprocessing run is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from bundle.data.phantom.atlas import Grid, make_grid
from bundle.preprocessing.brain_extraction import OFFLINE, check_method


@dataclass(frozen=True)
class Settings:
    """Parameters of all subjects of a run.

    Args:
        spacing_mm: 1 for the 182x218x182 grid, 2 for the 91x109x91 grid.
        brain_extraction: method of `extract_brain`.
        n4: whether to correct the bias field.
        normalise: whether to write intensities normalised as the workflows normalise them anyway.
        series: which series of DICOM folders with several, see :py:func:`bundle.data.dicom.read_series`.

    Raises:
        ValueError: When the spacing is another one, or the brain extraction is unknown or not installed.
    """

    spacing_mm: float = 2.0
    brain_extraction: str = OFFLINE
    n4: bool = False
    normalise: bool = False
    series: str | None = None

    def __post_init__(self) -> None:
        if self.spacing_mm not in (1.0, 2.0):
            raise ValueError(f"spacing_mm must be 1 or 2, got {self.spacing_mm:g}")
        check_method(self.brain_extraction)

    @property
    def grid(self) -> Grid:
        """The model's grid."""
        return make_grid(self.spacing_mm)
