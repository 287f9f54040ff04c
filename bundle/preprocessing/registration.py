"""Affine registration of a brain to the MNI152 template."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from bundle.preprocessing.geometry import coarsen, sitk_array
from bundle.preprocessing.template import Template, load_template

_BINS = 32  # of the joint histogram of intensities, an axis
_START_MM = 8  # voxels of the search for a start
_START_DEGREES = 15.0  # a start is turned by this or its negative about an axis, or not
_STARTS_REFINED = 3  # starts of highest mutual information that are optimised
_SCALES = (0.75, 1.25)  # of a start: a brain that is smaller or larger is cut off or badly extracted
# Voxels in mm, first and last step in mm, iterations of the stages with 12 degrees of freedom.
_STAGES = ((4, 1.0, 0.01, 150), (2, 0.5, 0.01, 60))
_RIM_MM = 6.0  # how far around the template's brain intensities count: the edge of the brain guides


@dataclass(frozen=True)
class Registration:
    """How a brain lies on the template.

    Args:
        transform: template to subject, LPS+ in mm, as `sitk.Resample` takes it to bring the subject to the template.
        mutual_information: of template and subject in and around the brain at 2 mm, in nats; the higher the better.
        overlap: Dice of the two brain masks at 2 mm.
    """

    transform: sitk.AffineTransform
    mutual_information: float
    overlap: float


def register(image: sitk.Image, brain: sitk.Image) -> Registration:
    """Register a brain to the template with 12 degrees of freedom.

    The centres of mass of the brains are laid on each other, turned and scaled starts are compared at 8 mm, the best
    ones are optimised with 7 degrees of freedom, and the best of those with 12 at 4 and 2 mm.

    Args:
        image: extracted brain, 0 outside.
        brain: its mask on the same grid.

    Raises:
        ValueError: When the mask is empty, or no start overlaps with the template.

    Source:
        Mutual information: Mattes et al., IEEE TMI 22(1), 2003. Search over starts, coarse to fine, as in Jenkinson and
        Smith, Medical Image Analysis 5(2), 2001.
    """
    levels = {2: coarsen(sitk.Cast(image, sitk.sitkFloat32), 2.0)}
    levels[4] = coarsen(levels[2], 4.0)
    levels[_START_MM] = coarsen(levels[4], _START_MM)
    try:
        start = _best_start(levels[_START_MM], brain)
        transform = sitk.AffineTransform(3)
        transform.SetCenter(start.GetCenter())
        transform.SetMatrix(start.GetMatrix())
        transform.SetTranslation(start.GetTranslation())
        for spacing_mm, first_mm, last_mm, iterations in _STAGES:
            method = _method(load_template(spacing_mm))
            _optimise(method, load_template(spacing_mm), levels[spacing_mm], transform, first_mm, last_mm, iterations)
    except RuntimeError as error:
        raise ValueError(f"the brain cannot be registered: {_reason(error)}; look at the image and its mask") from error
    return Registration(transform, alignment(levels[2], transform), brain_overlap(brain, transform))


def alignment(image: sitk.Image, transform: sitk.Transform) -> float:
    """Return the mutual information of the template and an image under a transform, at 2 mm, in nats.

    Args:
        image: extracted brain.
        transform: template to subject.
    """
    method = _method(load_template(2))
    method.SetInitialTransform(transform)
    return -float(method.MetricEvaluate(load_template(2).image, coarsen(sitk.Cast(image, sitk.sitkFloat32), 2.0)))


def brain_overlap(brain: sitk.Image, transform: sitk.Transform) -> float:
    """Return the Dice of the template's brain and a subject's under a transform.

    Args:
        brain: mask.
        transform: template to subject.
    """
    template = load_template(2).brain
    first = sitk_array(template) > 0
    second = sitk_array(sitk.Resample(brain, template, transform, sitk.sitkNearestNeighbor)) > 0
    return float(2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second)))


def _best_start(image: sitk.Image, brain: sitk.Image) -> sitk.Similarity3DTransform:
    """Return the similarity transform of highest mutual information at 8 mm."""
    template = load_template(_START_MM)
    centre_mm, volume_mm3 = _centre_and_volume(load_template(2).brain)
    subject_mm, subject_mm3 = _centre_and_volume(brain)
    scale = float(np.clip(np.cbrt(subject_mm3 / volume_mm3), *_SCALES))
    method = _method(template)
    found = []
    for factor, turns in itertools.product(sorted({1.0, scale}), itertools.product((-1, 0, 1), repeat=3)):
        start = sitk.Similarity3DTransform()
        start.SetCenter(centre_mm.tolist())
        start.SetMatrix((factor * _rotation(turns)).ravel().tolist())
        start.SetTranslation((subject_mm - centre_mm).tolist())
        method.SetInitialTransform(start)
        found.append((method.MetricEvaluate(template.image, image), start))
    found.sort(key=lambda entry: entry[0])  # the metric is the negative of the mutual information
    refined = [
        (_optimise(_method(template), template, image, start, first_mm=4.0, last_mm=0.05, iterations=60), start)
        for _, start in found[:_STARTS_REFINED]
    ]
    return min(refined, key=lambda entry: entry[0])[1]


def _method(template: Template) -> sitk.ImageRegistrationMethod:
    """Return a registration by mutual information in and around the template's brain, without random samples."""
    radius = max(1, round(_RIM_MM / template.brain.GetSpacing()[0]))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(sitk.BinaryDilate(template.brain, [radius] * 3))
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _optimise(
    method: sitk.ImageRegistrationMethod,
    template: Template,
    image: sitk.Image,
    transform: sitk.Transform,
    first_mm: float,
    last_mm: float,
    iterations: int,
) -> float:
    """Optimise a transform in place, in steps that halve where the gradient turns; return the metric."""
    method.SetOptimizerAsRegularStepGradientDescent(first_mm, last_mm, iterations, relaxationFactor=0.5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(template.image, image)
    return float(method.GetMetricValue())


def _centre_and_volume(brain: sitk.Image) -> tuple[NDArray[np.float64], float]:
    """Return centre of mass, LPS+ in mm, and volume in mm³ of a mask."""
    voxels = np.argwhere(sitk_array(brain))
    if len(voxels) == 0:
        raise ValueError("a brain mask must not be empty, got 0 voxels; try another brain extraction")
    centre = brain.TransformContinuousIndexToPhysicalPoint(voxels.mean(axis=0).tolist())
    return np.asarray(centre), len(voxels) * float(np.prod(brain.GetSpacing()))


def _rotation(turns: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the rotation by a step about each axis, ``(3, 3)``."""
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(*(float(np.deg2rad(_START_DEGREES * turn)) for turn in turns))
    return np.reshape(rotation.GetMatrix(), (3, 3))


def _reason(error: RuntimeError) -> str:
    """Return what ITK says, without the place in its source."""
    return str(error).strip().splitlines()[-1].split("): ")[-1]
