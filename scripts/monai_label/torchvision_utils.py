"""Stand-in for torchvision.utils, which MONAI Label imports at its start.

There is no torchvision for the CPU build of PyTorch on the package index, and MONAI Label uses these two functions only
to draw image grids of its DeepEdit and pathology apps. ``make monai-label`` copies this file into its environment; a
machine with a GPU installs torchvision instead (docs/monai_label.md).
"""

from __future__ import annotations

from typing import Any, NoReturn


def make_grid(*args: Any, **kwargs: Any) -> NoReturn:
    """Say what is missing."""
    raise ImportError("drawing image grids needs torchvision, which this environment is made without; install it")


save_image = make_grid
