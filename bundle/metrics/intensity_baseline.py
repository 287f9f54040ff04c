"""How well plain intensity separates lesions: the baseline that every method has to beat."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from bundle.conventions import CONDITION, IMAGE, LABEL, MASK, PATHOLOGICAL, TEST
from bundle.data.records import load_datalist
from bundle.metrics.ranking import auprc


def intensity_baseline(datalist: Path, section: str = TEST) -> dict[str, float]:
    """Return the average precision of z-scored FLAIR over the pooled voxels of pathological subjects.

    The z-score is taken within the brain (voxels that are not zero). Voxels outside the brain have the lowest score
    and no lesion; they do not change the average precision and are left out.

    Args:
        datalist: datalist file.
        section: section of the datalist.

    Returns:
        Average precision of all pathological subjects ("all") and of each condition among them; empty without
        pathological subjects that have a mask.
    """
    scores: dict[str, list[torch.Tensor]] = {}
    masks: dict[str, list[torch.Tensor]] = {}
    for entry in load_datalist(datalist, section):
        if entry[LABEL] == PATHOLOGICAL and MASK in entry:
            image = np.asarray(nib.Nifti1Image.from_filename(entry[IMAGE]).dataobj, dtype=np.float32)
            mask = np.asarray(nib.Nifti1Image.from_filename(entry[MASK]).dataobj) > 0
            brain = image != 0
            inside = image[brain]
            zscore = (inside - inside.mean()) / inside.std()
            scores.setdefault(entry[CONDITION], []).append(torch.from_numpy(zscore))
            masks.setdefault(entry[CONDITION], []).append(torch.from_numpy(mask[brain]))
    groups = {"all": list(scores), **{condition: [condition] for condition in scores}} if scores else {}
    return {
        name: auprc(
            torch.cat([part for condition in group for part in scores[condition]]),
            torch.cat([part for condition in group for part in masks[condition]]),
        )
        for name, group in groups.items()
    }
