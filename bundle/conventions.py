"""The conventions every module shares: label coding, dictionary keys, array layout and the prediction tensor.

Arrays are channel first, ``(B, C, *spatial)``; volumes are in RAS+ orientation and their spacing is in millimetres.
Volumes of tissue are given in millilitres. The image logit F(x) is positive for *pathological*, so an attribution
A(x) = dF/dx is positive where brightening a voxel speaks for pathology and negative where it speaks for health.
"""

from __future__ import annotations

import torch

HEALTHY = 0
PATHOLOGICAL = 1

# Keys of a datalist entry and of the dictionaries that transforms, engines and handlers pass on.
IMAGE = "image"  # FLAIR volume, (C, *spatial)
LABEL = "label"  # HEALTHY or PATHOLOGICAL
MASK = "mask"  # expert lesion mask, 1 inside the lesion
SUBJECT = "subject"  # identifier of the image, and of the person unless PATIENT names one; a person is in one split
PATIENT = "patient"  # identifier of the person where several images, such as slices, come from one
CONDITION = "condition"  # free text such as "healthy", "tumour", "ms": the rows of a results table
INTENSITY = "intensity"  # z-scored FLAIR on the volume's own grid: score of the intensity-threshold baseline
EQUALISED = "equalised"  # histogram-equalised FLAIR without small bright spots: score of a second such baseline
PRED = "pred"  # prediction tensor, (C + 1, *spatial), see `split_prediction`
ATTRIBUTION = "attribution"  # attribution map A, logit per unit of intensity or per healthy standard deviation
INPUT_WEIGHTED = "input_weighted"  # attribution times the bright part of the z-scored image
LOGIT = "logit"  # image logit F(x)
ANOMALY = "anomaly"  # thresholded anomaly mask

# Sections of a datalist file.
TRAINING = "training"
VALIDATION = "validation"
TEST = "test"


def join_prediction(attribution: torch.Tensor, logit: torch.Tensor) -> torch.Tensor:
    """Pack an attribution map and an image logit into the one tensor that the network returns.

    Args:
        attribution: attribution map A(x).
        logit: image logit F(x).

    Shape:
        - attribution: ``(B, C, *spatial)``.
        - logit: ``(B, 1)``.
        - output: ``(B, C + 1, *spatial)``; the last channel is the logit, constant over space.
    """
    spatial = attribution.shape[2:]
    channel = logit.reshape([logit.shape[0], 1] + [1] * len(spatial)).expand([logit.shape[0], 1] + list(spatial))
    return torch.cat([attribution, channel.to(attribution.dtype)], dim=1)


def split_prediction(pred: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Take an attribution map and an image logit out of the network's prediction tensor.

    The logit is read from the first voxel of the last channel, which `join_prediction` made constant.

    Args:
        pred: prediction tensor of :py:class:`bundle.networks.AttributionNet`.

    Shape:
        - pred: ``(B, C + 1, *spatial)``.
        - output: ``(B, C, *spatial)`` and ``(B, 1)``.

    Raises:
        ValueError: When ``pred`` has fewer than two channels or no spatial axis.
    """
    if pred.dim() < 3 or pred.shape[1] < 2:
        raise ValueError(
            f"a prediction must have shape (B, C + 1, *spatial) with C >= 1, got {tuple(pred.shape)}. "
            "Pass the tensor that AttributionNet returned."
        )
    return pred[:, :-1], pred[:, -1].flatten(1)[:, :1]
