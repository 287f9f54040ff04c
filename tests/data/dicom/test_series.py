from __future__ import annotations

import re
import sys

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from bundle.data.dicom import find_series_folders, read_series  # noqa: E402
from tests.dicom_files import LPS, oblique_affine, write_series  # noqa: E402

SHAPE = (9, 8, 12)


@pytest.fixture
def volume():
    return np.random.default_rng(3).integers(1, 4000, SHAPE)


def test_shuffled_oblique_slices_with_a_slope_each(tmp_path, volume):
    affine = oblique_affine()
    stored = volume * (1.0 + np.arange(SHAPE[2]) / 4)  # every slice has the slope 1 + k/4, the first one a whole number
    files = write_series(tmp_path / "a", stored, affine, slope=lambda index: 1 + index / 4)
    assert [path.name for path in sorted(files)] != [path.name for path in files]
    series = read_series(tmp_path / "a")
    np.testing.assert_allclose(series.array, stored, rtol=1e-6)
    np.testing.assert_allclose(series.affine, affine, atol=1e-5)
    assert series.files == tuple(files) and series.description == "AX FLAIR"


@pytest.mark.parametrize("flip", [False, True], ids=["along_the_normal", "against_it"])
def test_places_voxels_as_highdicom_does(tmp_path, volume, flip):
    hd = pytest.importorskip("highdicom")
    affine = oblique_affine()
    if flip:
        affine[:3, 2] *= -1
    files = write_series(tmp_path, volume, affine)
    series = read_series(tmp_path)
    other = hd.get_volume_from_series([pydicom.dcmread(file) for file in files])
    for index in [(0, 0, 0), (8, 7, 11), (2, 5, 3)]:
        at = LPS @ (series.affine @ [*index, 1])[:3]
        there = np.rint(other.map_reference_to_indices(at[None]))[0].astype(int)
        np.testing.assert_allclose(other.map_indices_to_reference(there[None])[0], at, atol=1e-4)
        assert other.array[tuple(there)] == series.array[index]


def test_other_files_are_ignored(tmp_path, volume):
    write_series(tmp_path / "one" / "flair", volume, oblique_affine())
    (tmp_path / "one" / "flair" / "notes.txt").write_text("no image")
    (tmp_path / "one" / "flair" / ".DS_Store").write_bytes(b"\0" * 200)

    def report(dataset, index):
        dataset.Modality = "SR"
        del dataset.Rows

    write_series(tmp_path / "one" / "flair", volume, oblique_affine(), prefix="SR", change=report)
    assert find_series_folders(tmp_path) == [tmp_path / "one" / "flair"]
    assert read_series(tmp_path / "one" / "flair").array.shape == SHAPE


def test_two_series(tmp_path, volume):
    write_series(tmp_path, volume, oblique_affine())
    write_series(tmp_path, volume + 1, oblique_affine(), description="SAG T1", number=7, prefix="T1_")
    with pytest.raises(ValueError, match=r"got 2 of 2: 5 'AX FLAIR' \(12 images, [\d.]+\); 7 'SAG T1' \(12") as error:
        read_series(tmp_path)
    uid = re.findall(r"12 images, ([\d.]+)\)", str(error.value))[1]
    for choice in ("t1", "7", uid):
        np.testing.assert_array_equal(read_series(tmp_path, choice).array, volume + 1)
    with pytest.raises(ValueError, match=r"got 0 of 2 for 'T2 TSE'"):
        read_series(tmp_path, "T2 TSE")


def computed_tomography(dataset, index):
    dataset.Modality = "CT"


def multi_frame(dataset, index):
    dataset.NumberOfFrames = 20


def inverted(dataset, index):
    dataset.PhotometricInterpretation = "MONOCHROME1"


def localiser(dataset, index):
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def three_directions(dataset, index):
    dataset.ImageOrientationPatient = np.roll([1, 0, 0, 0, 1, 0], index % 3).tolist()


def no_position(dataset, index):
    if index == 4:
        del dataset.ImagePositionPatient


def two_sizes(dataset, index):
    dataset.PixelSpacing = [2.5, 3.0 if index else 2.0]


def one_position(dataset, index):
    if index == 4:
        dataset.ImagePositionPatient = [float(value) for value in dataset.ImagePositionPatient]
        step = np.cross(dataset.ImageOrientationPatient[:3], dataset.ImageOrientationPatient[3:]) * 4.0
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in np.array(dataset.ImagePositionPatient) - step]


def sheared(dataset, index):
    along = np.array(dataset.ImageOrientationPatient[3:], dtype=float)
    moved = np.array(dataset.ImagePositionPatient, dtype=float) + 4.0 * np.tan(np.radians(12)) * index * along
    dataset.ImagePositionPatient = [f"{value:.6f}" for value in moved]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"change": computed_tomography}, "must be MR, got the modality 'CT'", id="ct"),
        pytest.param({"change": multi_frame}, "got an enhanced image of 20 frames; convert", id="enhanced"),
        pytest.param({"change": inverted}, "must be MONOCHROME2, got MONOCHROME1", id="inverted"),
        pytest.param({"change": localiser}, "is a localiser of 12 images", id="localiser"),
        pytest.param({"change": three_directions}, "got 3 orientations as of a localiser", id="orientations"),
        pytest.param({"skip": range(7, 12)}, "must have at least 10 slices, got 7", id="few_slices"),
        pytest.param({"change": no_position}, r"must have ImagePositionPatient, IM\d+ has none", id="no_position"),
        pytest.param({"change": two_sizes}, r"one PixelSpacing, got \[2.5, 2.0\] and \[2.5, 3.0\]", id="two_sizes"),
        pytest.param({"skip": [6]}, "distances of 4.00 mm, got 8.00 mm after slice 6 of 11", id="missing_slice"),
        pytest.param({"change": one_position}, "one image a position, got several at", id="two_at_one_place"),
        pytest.param({"change": sheared}, r"got a shear of 12.0 degrees \(gantry tilt\)", id="gantry_tilt"),
    ],
)
def test_bad_series(tmp_path, volume, options, message):
    write_series(tmp_path / "bad", volume, oblique_affine(), **options)
    with pytest.raises(ValueError, match=message) as error:
        read_series(tmp_path / "bad")
    assert str(error.value).startswith(f"{tmp_path / 'bad'}: series 'AX FLAIR'") and "\n" not in str(error.value)


def test_bad_folders(tmp_path, volume):
    with pytest.raises(FileNotFoundError, match="none: no such folder"):
        read_series(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: the folder must hold the DICOM images of a series, got none"):
        read_series(tmp_path / "empty")

    def no_series(dataset, index):
        del dataset.SeriesInstanceUID

    files = write_series(tmp_path / "series", volume, oblique_affine(), change=no_series)
    with pytest.raises(ValueError, match=r"IM0000: a DICOM image must have a SeriesInstanceUID, got none"):
        read_series(tmp_path / "series")
    assert len(files) == 12


def test_damaged_files(tmp_path, volume):
    files = write_series(tmp_path / "pixels", volume, oblique_affine())
    content = files[3].read_bytes()
    files[3].write_bytes(content[:-100])
    with pytest.raises(ValueError, match="pixels: the pixels of the series cannot be read"):
        read_series(tmp_path / "pixels")
    files[3].write_bytes(content[:140])
    with pytest.raises(ValueError, match=rf"{files[3].name}: the DICOM header cannot be read"):
        read_series(tmp_path / "pixels")


def test_without_pydicom(tmp_path, volume, monkeypatch):
    write_series(tmp_path, volume, oblique_affine())
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ValueError, match=r"needs the packages pydicom and highdicom, pydicom cannot be imported"):
        read_series(tmp_path)
