"""configs/inference.yaml from native input to native output: NIfTI and DICOM heads, the shipped weights."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigParser

pydicom = pytest.importorskip("pydicom")
hd = pytest.importorskip("highdicom")

from bundle.data import MODEL_SHAPE, MODEL_SPACING_MM  # noqa: E402
from bundle.data.phantom import make_subject  # noqa: E402
from bundle.preprocessing.head_phantom import add_head  # noqa: E402
from tests.dicom_files import LPS, oblique_affine, write_series  # noqa: E402

ROOT = Path(__file__).parents[2]
SPACING_MM = 3.0
SHIPPED = {  # instead of the tiny grid and network of other tests
    "--grid_shape": str(list(MODEL_SHAPE)).replace(" ", ""),
    "--grid_spacing_mm": str(MODEL_SPACING_MM),
    "--network_def#classifier#channels": "[16,32,64]",
}


@pytest.fixture(scope="module")
def head():
    """A synthetic patient with a tumour and skull: FLAIR, brain mask and lesion mask on one grid, RAS+."""
    subject = make_subject(7, 1, "tumour", spacing_mm=SPACING_MM)
    head = add_head(subject.image, SPACING_MM, seed=1)
    lesion = np.zeros(head.brain.shape, np.uint8)
    lesion[tuple(slice(start, start + size) for start, size in zip(head.offset, subject.mask.shape))] = subject.mask
    return np.rint(head.image), head.brain.astype(np.uint8), lesion


@pytest.fixture(scope="module")
def raw(tmp_path_factory, head):
    """A datalist of the head as oblique NIfTI, as oblique DICOM, and as DICOM with a slice missing."""
    folder = tmp_path_factory.mktemp("raw")
    image, brain, _ = head
    affine = oblique_affine((SPACING_MM,) * 3)
    affine[:3, :2] *= -1  # the array's axes run to the right and to the front
    for name, array in {"head": image.astype(np.int16), "brain": brain}.items():
        stored = nib.Nifti1Image(array, affine)
        turned = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt("PSR"))
        nib.save(stored.as_reoriented(turned), folder / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(brain, affine), folder / "series_brain.nii.gz")
    write_series(folder / "series", image, affine)
    write_series(folder / "broken", image, affine, skip=[30])
    entries = [
        {"subject": "head", "image": "head.nii.gz", "brain": str(folder / "brain.nii.gz"), "label": 1},
        {"subject": "scan", "image": "series", "brain": str(folder / "series_brain.nii.gz"), "label": 1},
        {"subject": "broken", "image": "broken", "label": 1},
    ]
    (folder / "datalist.json").write_text(json.dumps({"test": entries}))
    return folder


@pytest.fixture(scope="module")
def results(run_bundle, tmp_path_factory, raw):
    output_dir = tmp_path_factory.mktemp("results")
    run = run_bundle(
        "inference.yaml",
        *(part for pair in SHIPPED.items() for part in pair),
        dataset_dir=raw / "datalist.json",
        output_dir=output_dir,
        preprocess="true",
        brain_extraction="mask",
    )
    assert run.returncode == 1, run.stderr
    assert run.stderr.rstrip().splitlines()[-1].startswith("error: broken: not segmented, "), run.stderr
    assert "got 6.00 mm after slice 30 of" in run.stderr
    return output_dir


def dice(first, second):
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


def test_every_subject_has_its_files(results):
    found = {path.name for name in ("head", "scan", "broken") for path in (results / name).glob("*")}
    ends = ("anomaly.nii.gz", "attribution.nii.gz", "overlay.png", "result.json")
    assert found == {f"{name}_{end}" for name in ("head", "scan") for end in ends} | {"scan_anomaly.dcm"}


def test_nifti_comes_back_on_its_own_grid(results, raw, head):
    source = nib.load(raw / "head.nii.gz")
    mask, attribution = (nib.load(results / "head" / f"head_{name}.nii.gz") for name in ("anomaly", "attribution"))
    for volume in (mask, attribution):
        assert volume.shape == source.shape
        np.testing.assert_array_equal(volume.affine, source.affine)
    brain = nib.load(raw / "brain.nii.gz").get_fdata() > 0
    assert dice(attribution.get_fdata() != 0, brain) > 0.97
    result = json.loads((results / "head" / "head_result.json").read_text())
    voxel_ml = SPACING_MM**3 / 1000
    assert result["volume_ml"] == pytest.approx(mask.get_fdata().sum() * voxel_ml)
    assert result["brain_ml"] == pytest.approx(brain.sum() * voxel_ml, rel=0.03)


def test_the_lesion_is_found_where_it_is(results, raw, head):
    lesion = nib.Nifti1Image(head[2], nib.load(raw / "series_brain.nii.gz").affine)
    found = nib.load(results / "scan" / "scan_anomaly.nii.gz")
    np.testing.assert_allclose(found.affine, lesion.affine, atol=1e-4)
    scan = found.get_fdata() > 0
    assert dice(scan, head[2] > 0) > 0.4
    other = nib.as_closest_canonical(nib.load(results / "head" / "head_anomaly.nii.gz"))
    assert dice(other.get_fdata() > 0, scan) > 0.95, "one head as NIfTI and as DICOM"


def test_dicom_seg_marks_the_voxels_of_the_mask(results, raw):
    mask = nib.load(results / "scan" / "scan_anomaly.nii.gz")
    seg = hd.seg.segread(results / "scan" / "scan_anomaly.dcm")
    volume = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    marked = volume.map_indices_to_reference(np.argwhere(volume.array > 0)) @ LPS
    index = np.rint(nib.affines.apply_affine(np.linalg.inv(mask.affine), marked)).astype(int)
    np.testing.assert_allclose(nib.affines.apply_affine(mask.affine, index), marked, atol=1e-3)
    again = np.zeros(mask.shape, np.uint8)
    again[tuple(index.T)] = 1
    np.testing.assert_array_equal(again, mask.get_fdata())
    series = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in (raw / "series").iterdir()}
    (referenced,) = seg.ReferencedSeriesSequence
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == series


def test_nothing_that_can_be_used(run_bundle, tmp_path, raw):
    run = run_bundle("inference.yaml", dataset_dir=raw / "broken", output_dir=tmp_path / "out", preprocess="True",
                     brain_extraction="none", model_file="models/none.pt")  # fmt: skip
    assert run.returncode == 1 and run.stderr.strip().splitlines()[-1].startswith("error: models/none.pt: the weights")
    assert not (tmp_path / "out").exists(), "weights are checked before minutes of preprocessing"


@pytest.mark.parametrize(
    ("value", "expected"), [(False, False), ("false", False), ("no", False), (True, True), ("true", True)]
)
def test_preprocess_as_the_command_line_passes_it(value, expected):
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / "inference.yaml")
    parser["preprocess"] = value
    assert parser.get_parsed_content("switches::preprocess") is expected
    transforms = parser.get_parsed_content("postprocessing").transforms
    assert any(type(transform).__name__ == "ToNatived" for transform in transforms) is expected
