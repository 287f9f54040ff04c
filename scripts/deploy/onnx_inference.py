"""Segment anomalies in brain FLAIR volumes with ONNX Runtime, without PyTorch, MONAI or any other file of this bundle.

This file needs numpy, scipy, nibabel, onnxruntime and a folder that `python -m scripts.export` wrote:

    python onnx_inference.py subject_flair.nii.gz --deployment_dir output/deployment --output_dir output/onnx

Volumes are brain-extracted (zero outside the brain), on any grid. Each gets OUTPUT_DIR/NAME/ with NAME_anomaly.nii.gz
(1 = anomaly, on the volume's own grid) and NAME_result.json. The steps are those of configs/inference.yaml.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import onnxruntime
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

Array = NDArray[Any]

FORMAT = 1  # layout of deployment.json that this program reads
ONNX = "model.onnx"
RECORD = "deployment.json"
AFFINE_TOLERANCE_MM = 1.0e-3
REGISTERED_TOLERANCE_MM = 5.0  # between the centres of a registered volume's field of view and of the model's grid
BRAIN_TOLERANCE_MM = 20.0  # between the centres of a registered brain's bounding box and of the MNI brain's
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
BRAIN_ML_MAX = 2500.0  # more than this is no brain alone
MAD_TO_SD = np.float32(1.4826)  # standard deviation of a normal distribution in median absolute deviations
READ_ERRORS = (ImageFileError, OSError, EOFError, ValueError, zlib.error)  # whatever nibabel lets through


def load_deployment(folder: Path) -> tuple[dict[str, Any], onnxruntime.InferenceSession]:
    """Load the record and the network that belongs to it."""
    for name in (RECORD, ONNX):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name}: no such file; write the folder with python -m scripts.export")
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found, expected = record["format"], record["files"][ONNX]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / RECORD}: not a deployment record ({error!r}); export again") from error
    if found != FORMAT:
        raise ValueError(
            f"{folder / RECORD}: the format must be {FORMAT}, got {found!r}; use the program of that export"
        )
    digest = hashlib.sha256((folder / ONNX).read_bytes()).hexdigest()
    if digest != expected:
        raise ValueError(
            f"{folder / ONNX}: the network must be that of {RECORD} (sha256 {expected[:12]}...), got {digest[:12]}...; "
            "export both again"
        )
    return record, onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])


def read_volume(path: Path) -> tuple[Any, Array]:
    """Read a NIfTI file and check it; return it and its voxels as float32 with three axes."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    try:
        image: Any = nib.load(path)
        stored = np.asarray(image.dataobj)
    except READ_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a readable NIfTI file ({reason}); convert or copy it again") from error
    problem = _geometry_problem(image) or _voxel_problem(stored)
    if problem:
        raise ValueError(f"{path}: {problem}")
    return image, stored.astype(np.float32).reshape(stored.shape[:3])


def _geometry_problem(image: Any) -> str:
    """Say what is wrong with a header, or nothing."""
    shape, affine = image.shape, image.affine
    if len(shape) < 3 or min(shape[:3]) < 2 or any(size > 1 for size in shape[3:]):
        return f"an image must have three axes and one channel, got shape {shape}; extract the FLAIR volume"
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        return f"the header must give voxels three extents, got the affine {affine[:3].tolist()}; convert it again"
    sizes, zooms = nib.affines.voxel_sizes(affine), np.array(image.header.get_zooms()[:3])
    if not np.allclose(sizes, zooms, rtol=1e-3):
        return f"affine and pixdim must agree, got {sizes.round(4)} and {zooms.round(4)} mm; correct the header"
    return ""


def _voxel_problem(voxels: Array) -> str:
    """Say what is wrong with the voxels of a file, or nothing."""
    if voxels.dtype.kind not in "biuf":
        return f"voxels must be real numbers, got {voxels.dtype}; convert the image to greyscale"
    odd = np.count_nonzero(~np.isfinite(voxels))
    if odd:
        return f"voxels must be finite, got {odd} NaN or infinite; replace them, for example by 0 outside the brain"
    if voxels.min() == voxels.max():
        return f"an image must have contrast, all voxels are {voxels.max():g}; export the volume again"
    return ""


def grid_in_world(voxels: Array, affine: Array, grid: dict[str, Any]) -> Array:
    """Return the affine of the model's grid in the volume's world: MNI's if it is registered, else by its brain."""
    spacing, origin, centre = grid["spacing_mm"], np.array(grid["origin_mm"]), np.array(grid["brain_centre_mm"])
    model = nib.affines.from_matvec(np.eye(3) * spacing, origin)
    foreground = voxels != 0
    if foreground.mean() > 0.5:  # no background was removed
        foreground = voxels > voxels.mean()
    box = ndimage.find_objects(foreground.astype(np.uint8))[0]
    brain = nib.affines.apply_affine(affine, [(part.start + part.stop - 1) / 2 for part in box])
    canonical = affine @ nib.orientations.inv_ornt_aff(nib.orientations.io_orientation(affine), voxels.shape)
    left, _, right = np.linalg.svd(canonical[:3, :3] / nib.affines.voxel_sizes(canonical))
    direction = left @ right  # the array axes, ordered and flipped to the nearest RAS+ orientation
    middle, model_middle = (
        nib.affines.apply_affine(matrix, (np.array(size) - 1) / 2)
        for matrix, size in ((affine, voxels.shape), (model, grid["shape"]))
    )
    aligned = np.allclose(direction, np.eye(3), atol=AFFINE_TOLERANCE_MM)
    if aligned and np.linalg.norm(middle - model_middle) < REGISTERED_TOLERANCE_MM:
        same = voxels.shape == tuple(grid["shape"]) and np.allclose(affine, model, atol=AFFINE_TOLERANCE_MM)
        if same or np.linalg.norm(brain - centre) < BRAIN_TOLERANCE_MM:
            return np.asarray(model)
    return np.asarray(nib.affines.from_matvec(direction * spacing, brain - direction @ (centre - origin)))


def resample(voxels: Array, affine: Array, target: Array, shape: Sequence[int]) -> Array:
    """Interpolate linearly on another grid, with zeros outside the volume."""
    matrix = np.linalg.solve(affine, target)
    unmoved = np.allclose(affine, target, atol=AFFINE_TOLERANCE_MM) or np.allclose(matrix, np.eye(4), atol=1.0e-3)
    if voxels.shape == tuple(shape) and unmoved:
        return voxels
    moved = ndimage.affine_transform(
        voxels, matrix[:3, :3], matrix[:3, 3], tuple(shape), order=1, mode="grid-constant", cval=0.0
    )
    return np.asarray(moved)


def fit_to_grid(voxels: Array, affine: Array, target: Array, grid: dict[str, Any]) -> Array:
    """Resample to the model's grid, smoothed first where voxels get larger, without darkening the edge of the brain."""
    factor = grid["spacing_mm"] / nib.affines.voxel_sizes(affine)
    sigma = np.sqrt(np.clip(factor**2 - 1.0, 0.0, None)) / FWHM_PER_SIGMA
    value, support = (
        resample(ndimage.gaussian_filter(part, sigma, mode="constant"), affine, target, grid["shape"])
        for part in (voxels, (voxels != 0).astype(np.float32))
    )
    return np.where(support >= 0.5, value / np.maximum(support, np.float32(0.5)), np.float32(0.0))


def normalise(voxels: Array) -> Array:
    """Subtract the brain's median and divide by its scaled median absolute deviation; the background stays zero."""
    brain = voxels != 0
    centred = voxels[brain] - _lower_median(voxels[brain])
    deviation = MAD_TO_SD * _lower_median(np.abs(centred))
    result = np.zeros_like(voxels)
    result[brain] = centred / deviation if deviation > 0 else centred
    return result


def _lower_median(values: Array) -> Any:
    """Return the median, the lower of the two middle values of an even number."""
    middle = (len(values) - 1) // 2
    return np.partition(values, middle)[middle]


def segment(
    image: Any, voxels: Array, record: dict[str, Any], session: onnxruntime.InferenceSession
) -> tuple[Array, dict[str, Any]]:
    """Return the mask on the volume's own grid and what there is to say about it."""
    affine, grid = image.affine, record["grid"]
    target = grid_in_world(voxels, affine, grid)
    network_input = normalise(fit_to_grid(voxels, affine, target, grid))
    (pred,) = session.run([record["output"]], {record["input"]: network_input[None, None]})
    score, logit = resample(pred[0, 0], target, affine, voxels.shape), float(pred[0, 1, 0, 0, 0])
    if record["score"] == "input_weighted":
        brain = voxels[voxels != 0].astype(np.float64)
        score = score * np.maximum((voxels - brain.mean()) / brain.std(), 0.0)
    mask = (score >= np.float32(record["threshold"])) & (voxels != 0)
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    scaling = record["probability_scaling"]
    calibrated = {} if scaling is None else {"probability_calibrated": _probability(logit, **scaling)}
    return mask, {
        "decision": "pathological" if logit > record["decision_logit"] else "healthy",
        "probability": _probability(logit),
        **calibrated,
        "logit": logit,
        **{name: record[name] for name in ("decision_logit", "score", "threshold", "calibration")},
        "volume_ml": int(mask.sum()) * voxel_ml,
        "brain_ml": int((voxels != 0).sum()) * voxel_ml,
        **{name: record[name] for name in ("model_sha256", "name", "version")},
    }


def _probability(logit: float, slope: float = 1.0, intercept: float = 0.0) -> float:
    return float(expit(slope * logit + intercept))


def save(mask: Array, result: dict[str, Any], image: Any, subject: str, output_dir: Path) -> None:
    """Write both results to a hidden folder, then move them to their names."""
    header = image.header.copy()
    header.set_data_dtype(np.uint8)
    header["cal_min"], header["cal_max"] = 0, 0  # display range of the volume
    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=output_dir) as name:
        mask_image = nib.Nifti1Image(mask.astype(np.uint8).reshape(image.shape), image.affine, header)
        nib.save(mask_image, Path(name) / f"{subject}_anomaly.nii.gz")
        text = json.dumps({"subject": subject, **result}, indent=4, allow_nan=False) + "\n"
        (Path(name) / f"{subject}_result.json").write_text(text, encoding="utf-8")
        (output_dir / subject).mkdir(exist_ok=True)
        for file in sorted(Path(name).iterdir()):
            file.replace(output_dir / subject / file.name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and segment every volume; the exit status is 1 when one could not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+", help="NIfTI files")
    parser.add_argument("--deployment_dir", type=Path, required=True, help=f"folder with {ONNX} and {RECORD}")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the results")
    args = parser.parse_args(arguments)
    try:
        record, session = load_deployment(args.deployment_dir)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    failed = False
    for path in args.images:
        start = time.perf_counter()
        try:
            image, voxels = read_volume(path)
            mask, result = segment(image, voxels, record, session)
            subject = path.name.removesuffix(".gz").removesuffix(".nii")
            save(mask, {"image": path.name, **result}, image, subject, args.output_dir)
        except (OSError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
        else:
            facts = f"{result['decision']} (probability {result['probability']:.3f}), {result['volume_ml']:.1f} ml"
            print(f"{subject}: {facts}, {time.perf_counter() - start:.1f} s")
            if result["brain_ml"] > BRAIN_ML_MAX:
                extent = f"{result['brain_ml']:.0f} ml of the image are not zero, more than a brain"
                print(f"warning: {path}: {extent}; extract the brain first", file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
