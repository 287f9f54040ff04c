from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bundle.data.phantom import make_subject
from bundle.data.records import load_datalist
from scripts.preprocess import main
from tests.dicom_files import write_series


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("in") / "ms"
    path.mkdir()
    for index in range(2):
        subject = make_subject(5, index, "ms", spacing_mm=4.0)
        for end, array in {"flair": subject.image.astype(np.int16), "lesion": subject.mask}.items():
            nib.save(nib.Nifti1Image(array, subject.affine), path / f"sub-{index}_{end}.nii.gz")
    return path


def test_two_workers_then_back(tmp_path, folder, capsys):
    """Everything for real: two processes, registration, pictures, page, and the way back."""
    output_dir = tmp_path / "out"
    arguments = ["--output_dir", str(output_dir)]
    assert main([str(folder), *arguments, "--brain_extraction", "none", "--workers", "2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["2 of 2 subjects done, 0 failed", str(output_dir / "qc" / "index.html")]
    entries = load_datalist(output_dir / "datalist.json", "test")
    assert [entry["condition"] for entry in entries] == ["ms", "ms"]
    assert nib.load(entries[0]["image"]).shape == nib.load(entries[0]["mask"]).shape == (91, 109, 91)
    assert (output_dir / "qc" / "sub-1.png").read_bytes().startswith(b"\x89PNG")

    assert main(["--restore", str(output_dir / "masks"), *arguments]) == 0
    native = nib.load(output_dir / "native" / "sub-0_lesion.nii.gz")
    truth = nib.load(folder / "sub-0_lesion.nii.gz")
    assert native.shape == truth.shape and np.allclose(native.affine, truth.affine)


def test_dicom_series(tmp_path, folder):
    """A study with two series: the FLAIR is taken, preprocessed as the same volume in NIfTI, and brought back."""
    volume = nib.load(folder / "sub-0_flair.nii.gz")
    array = np.asarray(volume.dataobj).astype(np.float32)
    write_series(tmp_path / "in" / "p1", array, volume.affine, description="T2 FLAIR")
    write_series(tmp_path / "in" / "p1", array[:, :, :5], volume.affine, description="survey", prefix="S")
    output_dir = tmp_path / "out"
    arguments = ["--output_dir", str(output_dir), "--brain_extraction", "none", "--condition", "ms"]
    assert main([str(tmp_path / "in"), *arguments, "--series", "flair"]) == 0
    assert main([str(folder / "sub-0_flair.nii.gz"), *arguments[2:], "--output_dir", str(tmp_path / "nifti")]) == 0
    (entry,), (same,) = (load_datalist(path / "datalist.json", "test") for path in (output_dir, tmp_path / "nifti"))
    assert entry["subject"] == "p1" and entry["condition"] == "ms"
    np.testing.assert_allclose(nib.load(entry["image"]).get_fdata(), nib.load(same["image"]).get_fdata(), atol=0.5)

    (tmp_path / "masks").mkdir()
    nib.save(nib.load(same["image"]), tmp_path / "masks" / "p1_mask.nii.gz")
    assert main(["--restore", str(tmp_path / "masks"), "--output_dir", str(output_dir)]) == 0
    assert nib.load(output_dir / "native" / "p1_mask.nii.gz").shape == array.shape


def test_failure_sets_the_exit_status(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii.gz").write_bytes(b"x")
    arguments = [str(tmp_path / "in"), "--output_dir", str(tmp_path / "out"), "--brain_extraction", "none"]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "0 of 1 subjects done, 1 failed" in printed and "a.nii.gz: the file is truncated" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "give either INPUT or --restore FOLDER", id="nothing"),
        pytest.param(["missing"], "missing: no such file or folder", id="missing"),
        pytest.param(["--restore", "nothing_here"], "nothing_here: the folder must hold masks", id="no_masks"),
        pytest.param(["missing", "--spacing_mm", "3"], "invalid choice: 3.0", id="spacing"),
    ],
)
def test_bad_arguments(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--output_dir", "out"])
    assert message in capsys.readouterr().err


def test_output_dir_is_a_file(tmp_path, folder, capsys):
    (tmp_path / "out").write_text("")
    with pytest.raises(SystemExit, match="2"):
        main([str(folder), "--output_dir", str(tmp_path / "out"), "--brain_extraction", "none"])
    assert "out" in capsys.readouterr().err
