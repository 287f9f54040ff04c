"""Write NIfTI files so that a file under its final name is always complete."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from monai.config import PathLike
from monai.data import NibabelWriter


class AtomicNibabelWriter(NibabelWriter):
    """Write under a temporary name in the same folder, then rename.

    A killed run or a full disk leaves no half-written result behind. Use it in a config with
    ``SaveImaged(..., writer="bundle.data.AtomicNibabelWriter")``.
    """

    def write(self, filename: PathLike, verbose: bool = False, **obj_kwargs: Any) -> None:
        """Write the volume.

        Args:
            filename: ``.nii`` or ``.nii.gz`` file to write or to replace.
            verbose: whether to log the file.
            obj_kwargs: passed on to MONAI's writer.

        Raises:
            OSError: When the folder cannot be written; nothing is left there.
        """
        path = Path(filename)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=path.parent) as folder:
            part = Path(folder) / path.name  # the same suffix, because it selects the format
            super().write(part, verbose=verbose, **obj_kwargs)
            os.replace(part, path)
