"""Compare ways back from MNI space to the grid of a scan, by the Dice with experts' masks on that grid.

OUTPUT_DIR is that of inference.yaml with --preprocess true. Of every scan that was prepared there and has a mask
<subject>_seg or <subject>_lesion in MASKS, the network's map in MNI space is brought back in four ways:

- map: the map linearly, thresholded on the scan's grid
- map_weighted_there: the same; input_weighted is multiplied with the scan's brightness on its grid, not in MNI space
- mask_nearest: thresholded in MNI space, the mask by nearest neighbour
- mask_linear: thresholded in MNI space, the mask linearly, at least one half
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from tqdm import tqdm

from bundle.anomaly import AnomalyMapd, WeightByInputd, load_thresholds, map_key
from bundle.conventions import ATTRIBUTION, INPUT_WEIGHTED, INTENSITY, SUBJECT
from bundle.data import load_datalist
from bundle.preprocessing import layout
from bundle.preprocessing.geometry import sitk_array, to_sitk
from bundle.preprocessing.native_grid import read_native_grid
from bundle.preprocessing.resampling import reference
from bundle.preprocessing.to_native import ToNatived

SCORES = (ATTRIBUTION, INPUT_WEIGHTED)
WAYS = ("map", "map_weighted_there", "mask_nearest", "mask_linear")


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the Dice of two masks."""
    return float(2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second)))


def expert_mask(folder: Path, subject: str) -> NDArray[np.bool_] | None:
    """Return a subject's mask, None where there is none."""
    found = [path for end in ("seg", "lesion") for path in sorted(folder.glob(f"{subject}_{end}.nii*"))]
    if not found:
        return None
    image: Any = nib.load(found[0])
    return np.asanyarray(image.dataobj) > 0


def resampled(mask: NDArray[np.bool_], item: dict[Hashable, Any], prepared: Path, mode: int) -> NDArray[np.float32]:
    """Return a mask in MNI space on the native grid."""
    native = read_native_grid(prepared, item[SUBJECT])
    target = reference(native.shape, native.affine)
    image = to_sitk(mask.astype(np.float32), item[INTENSITY].affine.numpy().astype(np.float64))
    moved: NDArray[np.float32] = sitk_array(sitk.Resample(image, target, native.transform, mode, 0.0))
    return moved


def masks(item: dict[Hashable, Any], prepared: Path, thresholds: dict[str, float], score: str) -> dict[str, Any]:
    """Return the mask of an item on its native grid, by the way it came there."""
    back = ToNatived(SCORES, prepared)(item)
    there = WeightByInputd()(back) if score == INPUT_WEIGHTED else back
    in_mni = AnomalyMapd(score)(item)[map_key(score)][0].numpy() >= thresholds[score]
    found = {
        "map": AnomalyMapd(score)(back)[map_key(score)],
        "map_weighted_there": AnomalyMapd(score)(there)[map_key(score)],
    }
    return {
        **{way: values[0].numpy() >= thresholds[score] for way, values in found.items()},
        "mask_nearest": resampled(in_mni, item, prepared, sitk.sitkNearestNeighbor) > 0,
        "mask_linear": resampled(in_mni, item, prepared, sitk.sitkLinear) >= 0.5,
    }


def items(prepared: Path, config: ConfigParser) -> Iterator[dict[Hashable, Any]]:
    """Run the network on every prepared scan, and yield what postprocessing makes of it in MNI space."""
    network = config.get_parsed_content("network_def")
    network.load_state_dict(torch.load(config.get_parsed_content("model_file"), weights_only=True))
    before, after = (config.get_parsed_content(name) for name in ("preprocessing", "postprocessing"))
    for entry in load_datalist(prepared / layout.DATALIST, "test"):
        item = before(entry)
        with torch.no_grad():
            pred = network.eval()(item["image"][None])[0]
        yield after({**item, "pred": pred})


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure and print the mean Dice."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark.native_grid",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output_dir", type=Path, metavar="OUTPUT_DIR", help="results of inference.yaml")
    parser.add_argument("masks", type=Path, metavar="MASKS", help="folder of experts' masks")
    args = parser.parse_args(arguments)
    config = ConfigParser()
    config.read_config("configs/inference.yaml")
    prepared = args.output_dir / "preprocessed"
    thresholds = load_thresholds(config.get_parsed_content("threshold_file"))["thresholds"]
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for item in tqdm(items(prepared, config), unit="scan"):
        truth = expert_mask(args.masks, item[SUBJECT])
        if truth is not None:
            rows[item[SUBJECT]] = {
                score: {way: dice(mask, truth) for way, mask in masks(item, prepared, thresholds, score).items()}
                for score in SCORES
            }
    if not rows:
        parser.error(f"{args.masks}: there must be masks of the scans in {prepared}, got none")
    mean = {score: {way: np.mean([row[score][way] for row in rows.values()]) for way in WAYS} for score in SCORES}
    print(json.dumps({"dice": rows, "mean": mean, "scans": len(rows)}, indent=4))
    return 0


if __name__ == "__main__":
    sys.exit(main())
