"""The steps from a native scan to the model's grid, in order, for one subject."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from bundle.conventions import IMAGE, MASK
from bundle.data.intensity import RobustNormalizeIntensityd
from bundle.preprocessing.bias_field import correct_bias_field
from bundle.preprocessing.brain_extraction import extract_brain
from bundle.preprocessing.inputs import BRAIN, Subject
from bundle.preprocessing.registration import Registration, register
from bundle.preprocessing.resampling import image_to_grid, mask_to_grid
from bundle.preprocessing.settings import Settings
from bundle.preprocessing.volumes import Volume, read_mask, read_volume


@dataclass
class Preprocessed:
    """What the steps made of one subject.

    Args:
        native: the volume in RAS+ order.
        brain: brain mask on the native grid.
        corrected: brain on the native grid, after the bias correction if there was one, 0 outside.
        registration: how it lies on the template.
        image: brain on the model's grid, 0 outside.
        mask: lesion mask on the model's grid.
        lesion_ml: volume of the lesion mask on the native and on the model's grid.
        seconds: duration of every step.
    """

    native: Volume
    brain: NDArray[np.bool_]
    corrected: sitk.Image
    registration: Registration
    image: NDArray[np.float32]
    mask: NDArray[np.uint8] | None = None
    lesion_ml: Mapping[str, float] | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def preprocess(subject: Subject, settings: Settings) -> Preprocessed:
    """Bring one subject to the model's grid; nothing is written.

    Args:
        subject: the subject.
        settings: what to do.

    Raises:
        FileNotFoundError: When one of its files does not exist.
        ValueError: When a file cannot be used, or a step finds no result.
    """
    seconds: dict[str, float] = {}
    files = subject.files
    with _timed(seconds, "read"):
        native = read_volume(files[IMAGE], settings.series)  # reoriented to RAS+
        lesion = native.image(read_mask(files[MASK], native)) if MASK in files else None
    with _timed(seconds, "brain_extraction"):
        brain = extract_brain(native, settings.brain_extraction, files.get(BRAIN))
    brain_image = native.image(brain.astype(np.uint8))
    extracted = native.image(np.where(brain, native.array, np.float32(0)))
    with _timed(seconds, "registration"):
        registration = register(extracted, brain_image)
    if settings.n4:
        with _timed(seconds, "bias_correction"):
            extracted, _ = correct_bias_field(extracted, brain_image)
    grid, transform = settings.grid, registration.transform
    with _timed(seconds, "resampling"):
        image = image_to_grid(extracted, brain_image, transform, grid)
        mask = None if lesion is None else mask_to_grid(lesion, transform, grid.shape, grid.affine)
    if settings.normalise:
        image = normalise(image)
    result = Preprocessed(native, brain, extracted, registration, image, mask, seconds=seconds)
    if lesion is not None and mask is not None:
        result.lesion_ml = {"native": _volume_ml(lesion), "grid": float(mask.sum() * grid.spacing_mm**3 / 1000)}
    return result


def normalise(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image with the intensities that training works on."""
    tensor: Any = RobustNormalizeIntensityd(keys=IMAGE)({IMAGE: torch.from_numpy(image[None])})[IMAGE]
    normalised: NDArray[np.float32] = tensor[0].numpy()
    return normalised


@contextmanager
def single_thread() -> Iterator[None]:
    """Work on one thread: subjects run beside each other, and results do not depend on the machine's threads."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), torch.get_num_threads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before[0])
        torch.set_num_threads(before[1])


def _volume_ml(mask: sitk.Image) -> float:
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing()) / 1000)


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.perf_counter()
    yield
    seconds[step] = round(time.perf_counter() - start, 2)
