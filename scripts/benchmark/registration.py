"""Measure registration, the way back, bias correction and the speed-up by a second worker.

recovery FILE      an extracted brain moved by known affine transforms (rotations up to 15 degrees, shifts up to 20 mm,
                   scales up to 10 %, shears up to 0.05) and registered again: mean distance of the template's brain
                   voxels to where the registration of the unmoved brain puts them, in mm of the unmoved brain
round_trip FOLDER  Dice of lesion masks that went to the MNI grid and back by nearest neighbour
bias               variation of a known bias field in the white matter of a synthetic brain, before and after N4
speed OUTPUT_DIR   wall-clock time of synthetic heads, brain extraction included, with one worker and with two; needs
                   a quiet machine
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from bundle.conventions import MASK
from bundle.data import MODEL_SPACING_MM
from bundle.data.phantom import draw_subject, make_subject, render_subject
from bundle.data.phantom.anatomy import apply_anatomy
from bundle.data.phantom.atlas import load_atlas, make_grid
from bundle.data.phantom.fields import draw_controls, evaluate_field
from bundle.preprocessing import Settings, list_subjects, preprocess, register, run
from bundle.preprocessing.bias_field import correct_bias_field
from bundle.preprocessing.geometry import sitk_affine, sitk_array, to_sitk
from bundle.preprocessing.head_phantom import add_head
from bundle.preprocessing.pipeline import single_thread
from bundle.preprocessing.registration import Registration
from bundle.preprocessing.resampling import mask_to_grid
from bundle.preprocessing.template import load_template
from bundle.preprocessing.volumes import read_mask, read_volume

Points = NDArray[np.float64]
_PAD_MM = 40  # room for the moved brain
_FIELD_SD = 0.25  # standard deviation of the logarithm of the known bias field
_EVERY = 50  # of the template's brain voxels at 2 mm is followed


def random_affine(rng: np.random.Generator) -> sitk.AffineTransform:
    """Draw a transform about the centre of the brain."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*(float(angle) for angle in np.deg2rad(rng.uniform(-15, 15, 3))))
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = rng.uniform(-0.05, 0.05, 3)
    matrix = np.reshape(turn.GetMatrix(), (3, 3)) @ np.diag(rng.uniform(0.9, 1.1, 3)) @ shear
    transform = sitk.AffineTransform(3)
    transform.SetCenter([0.0, 17.0, 5.0])  # LPS+: of the MNI brain
    transform.SetMatrix(matrix.ravel().tolist())
    transform.SetTranslation(rng.uniform(-20, 20, 3).tolist())
    return transform


def mapped(transform: sitk.AffineTransform, points: Points) -> Points:
    """Return where an affine transform puts points, ``(n, 3)``."""
    centre = np.asarray(transform.GetCenter())
    matrix = np.reshape(transform.GetMatrix(), (3, 3))
    result: Points = (points - centre) @ matrix.T + centre + np.asarray(transform.GetTranslation())
    return result


def brain_points() -> Points:
    """Return positions in the template's brain, LPS+ in mm."""
    brain = load_template(2).brain
    indices = np.argwhere(sitk_array(brain))[::_EVERY]
    return nib.affines.apply_affine(sitk_affine(brain), indices) * [-1, -1, 1]


def registered(image: sitk.Image) -> tuple[Registration, float]:
    """Register a brain that is 0 outside, and return how long that took, in seconds of processor time."""
    start = time.process_time()
    found = register(image, sitk.Cast(sitk.NotEqual(image, 0), sitk.sitkUInt8))
    return found, time.process_time() - start


def recovery_errors(image: sitk.Image, count: int, seed: int) -> dict[str, list[float]]:
    """Move a brain, register it, and return errors in mm and processor times.

    Args:
        image: extracted brain, 0 outside, with room around it.
        count: number of transforms.
        seed: seed of the transforms.
    """
    rng = np.random.default_rng(seed)
    points = brain_points()
    load_template(4), load_template(8)  # read once per process, not once per subject
    unmoved, seconds = registered(image)
    expected = mapped(unmoved.transform, points)
    result: dict[str, list[float]] = {"unmoved": [], "identity": [], "seconds": [seconds]}
    for _ in range(count):
        known = random_affine(rng)  # moved to unmoved
        found, seconds = registered(sitk.Resample(image, image, known))
        back = mapped(known, mapped(found.transform, points))
        result["unmoved"].append(float(np.linalg.norm(back - expected, axis=1).mean()))
        result["identity"].append(float(np.linalg.norm(back - points, axis=1).mean()))
        result["seconds"].append(seconds)
    result["start"] = [float(np.linalg.norm(expected - points, axis=1).mean())]
    return result


def recovery(path: Path, count: int, seed: int) -> None:
    """Print the errors of `recovery_errors` for a file."""
    volume = read_volume(path)
    affine = volume.affine.copy()
    pad = [round(_PAD_MM / edge) for edge in nib.affines.voxel_sizes(affine)]
    affine[:3, 3] -= affine[:3, :3] @ pad
    found = recovery_errors(to_sitk(np.pad(volume.array, [(edge, edge) for edge in pad]), affine), count, seed)
    errors = np.asarray(found["unmoved"])
    print(f"error to the unmoved brain's registration, mm: {np.round(errors, 2).tolist()}")
    print(f"at most 2 mm in {np.sum(errors <= 2)} of {count}, mean {errors.mean():.2f}, largest {errors.max():.2f}")
    print(f"error to identity, mm: mean {np.mean(found['identity']):.2f}; unmoved brain: {found['start'][0]:.2f}")
    print(f"processor time, s: mean {np.mean(found['seconds']):.1f}, longest {np.max(found['seconds']):.1f}")


def round_trip(folder: Path) -> None:
    """Print the Dice of a folder's lesion masks after the way to the MNI grid and back."""
    print("| subject | Dice at 1 mm | Dice at 2 mm | mutual information | overlap |\n|---|---|---|---|---|")
    for subject in (subject for subject in list_subjects(folder) if MASK in subject.files):
        result = preprocess(subject, Settings(1.0, "none"))
        native = result.native
        lesion = native.image(read_mask(subject.files[MASK], native))
        dice = []
        for spacing_mm in (1.0, 2.0):
            grid, transform = make_grid(spacing_mm), result.registration.transform
            there = to_sitk(mask_to_grid(lesion, transform, grid.shape, grid.affine), grid.affine)
            back = mask_to_grid(there, transform.GetInverse(), native.array.shape, native.affine)
            truth = sitk_array(lesion)
            dice.append(2 * int((back & truth).sum()) / (int(back.sum()) + int(truth.sum())))
        scores = (*dice, result.registration.mutual_information, result.registration.overlap)
        print(" | ".join((f"| {subject.name}", *(f"{score:.3f}" for score in scores), "")), flush=True)


def bias_variation(seed: int, spacing_mm: float) -> tuple[float, float, float]:
    """Return the coefficient of variation of a known field in white matter before and after N4, and processor time.

    Args:
        seed: seed of subject and field.
        spacing_mm: grid of the subject.
    """
    subject = draw_subject(seed, 0, "ms")
    scan = replace(subject.acquisition, bias_sd=0.0, coil_gain=0.0, scanner=0)
    subject = replace(subject, acquisition=scan)
    clean = render_subject(subject, spacing_mm)
    grid = make_grid(spacing_mm)
    field = np.exp(np.float32(_FIELD_SD) * evaluate_field(draw_controls(np.random.default_rng(seed), 70.0), grid))
    white = apply_anatomy(subject.anatomy, grid, load_atlas(spacing_mm)).white > 0.9
    brain = to_sitk((clean.image > 0).astype(np.uint8), clean.affine)
    start = time.process_time()
    _, estimate = correct_bias_field(to_sitk(clean.image * field, clean.affine), brain)
    seconds = time.process_time() - start
    before, after = field[white], (field / sitk_array(estimate))[white]
    return float(before.std() / before.mean()), float(after.std() / after.mean()), seconds


def bias(count: int, seed: int) -> None:
    """Print `bias_variation` for some subjects at 1 mm."""
    print("| subject | before | after | processor time, s |\n|---|---|---|---|")
    for index in range(count):
        before, after, seconds = bias_variation(seed + index, 1.0)
        print(f"| {index} | {before:.3f} | {after:.3f} | {seconds:.0f} |", flush=True)


def speed(folder: Path, count: int, seed: int) -> None:
    """Print the wall-clock times of a folder of synthetic heads with one worker and with two, at the defaults."""
    (folder / "input").mkdir(parents=True)
    for index in range(count):
        subject = make_subject(seed, index, "healthy")
        head = add_head(subject.image, MODEL_SPACING_MM, seed + index)
        affine = subject.affine.copy()
        affine[:3, 3] -= affine[:3, :3] @ head.offset
        nib.save(nib.Nifti1Image(head.image, affine), folder / "input" / f"sub-{index}_flair.nii.gz")
    subjects, seconds = list_subjects(folder / "input"), []
    for workers in (1, 2):
        start = time.perf_counter()
        records = dict(run(subjects, Settings(), folder / f"workers_{workers}", workers=workers))
        seconds.append(time.perf_counter() - start)
        print(f"{workers} workers: {len(records)} subjects in {seconds[-1]:.1f} s", flush=True)
    print(f"speed-up {seconds[0] / seconds[1]:.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.benchmark.registration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("recovery", "round_trip", "bias", "speed"))
    parser.add_argument("path", type=Path, nargs="?", metavar="PATH")
    parser.add_argument("--count", type=int, default=20, help="transforms or subjects, default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args(arguments)
    if args.path is None and args.what != "bias":
        parser.error(f"{args.what} needs a PATH")
    with single_thread():
        if args.what == "recovery":
            recovery(args.path, args.count, args.seed)
        elif args.what == "round_trip":
            round_trip(args.path)
        elif args.what == "bias":
            bias(args.count, args.seed)
        else:
            speed(args.path, args.count, args.seed)


if __name__ == "__main__":
    main()
