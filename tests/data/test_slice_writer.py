from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bundle.data.records import load_datalist, load_sections
from bundle.data.slice_sources import NpzSlices
from bundle.data.slice_writer import write_slices
from bundle.data.slices import SlicePlan, choose_slices

PATIENTS = tuple("abcdefghij")


@pytest.fixture
def archive(tmp_path):
    """Ten patients with three slices each, the second one with a lesion."""
    rng = np.random.default_rng(2)
    image = rng.integers(1, 200, (30, 7, 5), dtype=np.uint8)
    mask = np.zeros_like(image)
    mask[1::3, 2:4, 1:3] = 1
    path = tmp_path / "slices.npz"
    np.savez(path, image=image, mask=mask, patient=np.repeat(PATIENTS, 3), rel_z=np.tile([0.4, 0.5, 0.6], 10))
    return path


@pytest.fixture
def write(archive, tmp_path):
    def write(folder=tmp_path / "out", **options):
        source, plan = NpzSlices(archive), SlicePlan(**options)
        list(write_slices(folder, choose_slices(source, plan, archive), source, plan))
        return folder

    return write


def test_files_are_the_slices_of_the_archive(write, archive):
    folder = write()
    arrays, position = np.load(archive), {patient: 3 * index for index, patient in enumerate(PATIENTS)}
    entries = [entry for part in load_sections(folder / "datalist.json").values() for entry in part]
    assert len(entries) == 30
    for entry in entries:
        patient, index = entry["subject"].split("_")
        member = position[patient] + int(index)
        for key in ("image", "mask"):
            written = nib.load(entry[key])
            np.testing.assert_array_equal(np.asarray(written.dataobj), arrays[key][member].T[:, ::-1])
            np.testing.assert_array_equal(written.affine[:3, 3], [0, 0, int(index)])
        assert entry["patient"] == patient
        assert entry["label"] == int(index == "001")
        assert entry["condition"] == ("pathological" if index == "001" else "healthy")


def test_background_is_written_as_zero(write, archive):
    entry = load_sections(write(background=0.5) / "datalist.json")["training"][0]
    patient, index = entry["subject"].split("_")
    original = np.load(archive)["image"][3 * PATIENTS.index(patient) + int(index)].T[:, ::-1]
    expected = np.where(original > original.max() / 2, original, 0)
    np.testing.assert_array_equal(np.asarray(nib.load(entry["image"]).dataobj), expected)


def test_resumed_writing_keeps_what_is_there(write):
    folder = write()
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    kept, *lost = sorted((folder / "images").iterdir())
    before = kept.stat().st_mtime_ns
    for path in [*lost, folder / "datalist.json"]:
        path.unlink()
    write()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    assert kept.stat().st_mtime_ns == before


def test_other_slices_in_the_same_folder_are_refused(write):
    folder = write()
    with pytest.raises(ValueError, match="found some with seed 0 instead of 1"):
        write(seed=1)
    (folder / "slices.json").unlink()
    with pytest.raises(ValueError, match=r"found a datalist\.json without slices\.json"):
        write()


def test_patient_in_two_sections_is_a_problem_of_the_datalist(write):
    path = write() / "datalist.json"
    datalist = json.loads(path.read_text())
    moved = datalist["training"].pop()
    datalist["test"].append(moved)
    path.write_text(json.dumps(datalist))
    with pytest.raises(ValueError, match=rf"patient '{moved['patient']}' stands in training and test; keep every pat"):
        load_datalist(path, "test")
