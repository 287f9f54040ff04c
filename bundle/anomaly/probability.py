"""Image probabilities that mean what they say: Platt scaling of the logit, and how far probabilities are off."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from bundle.conventions import HEALTHY, PATHOLOGICAL

logger = logging.getLogger(__name__)

PLATT = "platt"
"""Name of the scaling in a threshold file."""


@dataclass(frozen=True)
class PlattScaling:
    """Calibrated probability sigmoid(slope * logit + intercept) that an image is pathological.

    The probability belongs to the share of pathological images among those it was fitted to. Temperature scaling is
    the case ``intercept = 0``, with the temperature 1 / slope.
    """

    slope: float
    intercept: float

    def probability(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Return the calibrated probability of every logit."""
        return np.asarray(expit(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept))

    @classmethod
    def fit(cls, logits: Sequence[float], labels: Sequence[int]) -> PlattScaling:
        """Minimise the cross entropy with Platt's targets, which keep separated classes from an infinite slope.

        The target of a pathological image is (N1 + 1) / (N1 + 2) and that of a healthy one 1 / (N0 + 2), for N1
        pathological and N0 healthy images: the mean of the posterior of a label that agreed N times, with a uniform
        prior.

        Args:
            logits: image logits.
            labels: their labels.

        Raises:
            ValueError: When the sizes differ, a logit is not finite, or a class is missing.

        Source:
            Platt, Probabilistic outputs for support vector machines, Advances in Large Margin Classifiers, MIT Press,
            1999, section 2.2.
        """
        values, truth = _checked(logits, labels)
        pathological, healthy = int((truth == PATHOLOGICAL).sum()), int((truth == HEALTHY).sum())
        if not (pathological and healthy):
            raise ValueError(
                f"Platt scaling needs healthy and pathological images, got {healthy} and {pathological}. "
                "Add the missing class or use the unscaled probability."
            )
        target = np.where(truth == PATHOLOGICAL, (pathological + 1) / (pathological + 2), 1 / (healthy + 2))
        centre, scale = values.mean(), values.std() or 1.0  # constant logits get the slope 0
        standard = (values - centre) / scale

        def cross_entropy(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            activation = parameters[0] * standard + parameters[1]
            error = expit(activation) - target
            value = np.logaddexp(0, activation) - target * activation
            return float(value.mean()), np.array([(error * standard).mean(), error.mean()])

        slope, intercept = minimize(cross_entropy, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9}).x
        return cls(float(slope / scale), float(intercept - slope * centre / scale))


def brier_score(probabilities: ArrayLike, labels: Sequence[int]) -> float:
    """Return the mean squared difference of probability and label: 0 is best, 0.25 is what one half scores.

    Raises:
        ValueError: When the sizes differ or a probability is not finite.

    Source:
        Brier, Monthly Weather Review 78(1), 1950, for two classes.
    """
    values, truth = _checked(probabilities, labels)
    return float(np.mean((values - truth) ** 2))


def expected_calibration_error(probabilities: ArrayLike, labels: Sequence[int], *, bins: int = 10) -> float:
    """Return the mean distance of the probability of pathology from the share of pathological images beside it.

    Images are put into bins of equal width by their probability; the distance of a bin's mean probability from its
    share of pathological images is weighted by its number of images.

    Args:
        probabilities: probabilities that the images are pathological.
        labels: their labels.
        bins: number of bins.

    Raises:
        ValueError: When the sizes differ or a probability is not in [0, 1].

    Source:
        Naeini et al., AAAI 2015; of the two classes' probabilities that of pathology is taken.
    """
    values, truth = _checked(probabilities, labels)
    if values.min() < 0 or values.max() > 1:
        raise ValueError(f"probabilities must lie in [0, 1], got {values.min():g} to {values.max():g}. Pass no logits.")
    place = np.minimum((values * bins).astype(int), bins - 1)  # 1 belongs to the last bin
    distance = np.bincount(place, values - truth, minlength=bins)
    return float(np.abs(distance).sum() / len(values))


def calibrate_probability(logits: Sequence[float], labels: Sequence[int]) -> dict[str, Any]:
    """Fit a scaling and measure what it changes, as the threshold file keeps it.

    The errors after scaling are those of the images it was fitted to, so they are a little too small.

    Args:
        logits: image logits.
        labels: their labels.

    Returns:
        ``method``, ``slope``, ``intercept``, the numbers of images, and Brier score and expected calibration error
        before and after; ``method`` is None, with a ``reason``, when a class is missing.
    """
    values, truth = _checked(logits, labels)
    pathological = int((truth == PATHOLOGICAL).sum())
    counts = {"images": len(truth), "pathological_images": pathological}
    if pathological in (0, len(truth)):
        reason = f"a scaling needs both classes, got {pathological} pathological of {len(truth)} images"
        logger.info("image probability: not scaled, %s", reason)
        return {"method": None, "reason": reason, **counts}
    scaling = PlattScaling.fit(logits, labels)
    before, after = expit(values), scaling.probability(values)
    return {
        "method": PLATT,
        **asdict(scaling),
        **counts,
        "brier_score": {"before": brier_score(before, labels), "after": brier_score(after, labels)},
        "expected_calibration_error": {
            "before": expected_calibration_error(before, labels),
            "after": expected_calibration_error(after, labels),
        },
    }


def calibrated_probability(record: Mapping[str, Any], logit: float) -> float | None:
    """Return the scaled probability of an image, None where the thresholds came with no scaling.

    Args:
        record: what :py:func:`bundle.anomaly.load_thresholds` returns.
        logit: image logit.
    """
    scaling = record.get("probability")
    if scaling is None or scaling["method"] is None:
        return None
    return float(PlattScaling(scaling["slope"], scaling["intercept"]).probability(logit))


def _checked(values: ArrayLike, labels: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return values and labels as arrays, after their check."""
    numbers, truth = np.asarray(values, dtype=np.float64).reshape(-1), np.asarray(labels, dtype=np.int64).reshape(-1)
    if len(numbers) != len(truth) or len(numbers) == 0:
        raise ValueError(
            f"every image needs one value and one label, got {len(numbers)} and {len(truth)}. Pass both of every image."
        )
    if not np.isfinite(numbers).all():
        count = int((~np.isfinite(numbers)).sum())
        raise ValueError(f"logits and probabilities must be finite, got {count} others. Check the image and weights.")
    return numbers, truth
