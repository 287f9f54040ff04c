from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from bundle.data.records import load_datalist, load_sections
from scripts.make_cohort import main as make_cohort
from scripts.make_slices import main


@pytest.fixture
def archive(tmp_path):
    rng = np.random.default_rng(3)
    image = rng.integers(1, 200, (40, 12, 12), dtype=np.uint8)
    mask = np.zeros_like(image)
    mask[::2, 3:6, 3:6] = 1
    rel_z = np.tile([0.4, 0.5, 0.6, 0.95], 10)
    np.savez(tmp_path / "a.npz", image=image, mask=mask, patient=np.repeat(list("abcdefghij"), 4), rel_z=rel_z)
    return tmp_path / "a.npz"


def test_archive(archive, tmp_path, capsys):
    folder = tmp_path / "new" / "slices"
    main([str(archive), "--output_dir", str(folder), "--size", "16", "14"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        "training: 7 healthy, 14 pathological slices, 7 patients",
        "validation: 1 healthy, 2 pathological slices, 1 patients",
        "test: 2 healthy, 4 pathological slices, 2 patients",
    ]
    assert printed[-1] == f"{folder / 'datalist.json'}: slices of 16 x 14 voxels"
    scores, lesions = [], []
    for entry in load_datalist(folder / "datalist.json", "test"):
        image, lesion = (np.asarray(nib.load(entry[key]).dataobj) for key in ("image", "mask"))
        assert image.shape == (16, 14)
        if entry["label"]:
            inside = image[image != 0].astype(float)
            scores.append((inside - inside.mean()) / inside.std())
            lesions.append(lesion[image != 0])
    expected = average_precision_score(np.concatenate(lesions), np.concatenate(scores))
    assert f"intensity threshold, test slices, all: average precision {expected:.3f}" in printed


def test_cohort_keeps_its_sections(tmp_path, capsys):
    cohort, folder = tmp_path / "cohort", tmp_path / "slices"
    make_cohort(["--output_dir", str(cohort), "--healthy", "3", "--tumour", "3", "--ms", "0", "--workers", "1"])
    main([str(cohort / "datalist.json"), "--output_dir", str(folder), "--every", "6"])
    assert "slices of 91 x 109 voxels" in capsys.readouterr().out
    volumes, slices = load_sections(cohort / "datalist.json"), load_sections(folder / "datalist.json")
    for name, entries in slices.items():
        assert {entry["patient"] for entry in entries} == {entry["subject"] for entry in volumes[name]}
        for entry in entries:
            subject, level = entry["subject"].rsplit("_", 1)
            (volume,) = (volume for volume in volumes[name] if volume["subject"] == subject)
            expected, position = nib.load(volume["image"]), nib.load(entry["image"]).affine[:3, 3]
            np.testing.assert_array_equal(nib.load(entry["image"]).dataobj, expected.dataobj[:, :, int(level)])
            np.testing.assert_allclose(position, nib.affines.apply_affine(expected.affine, (0, 0, int(level))))


def test_new_split_without_test(archive, tmp_path, capsys):
    main([str(archive), "--output_dir", str(tmp_path / "out"), "--fractions", "0.8", "0.2", "0"])
    printed = capsys.readouterr().out
    assert "test: 0 healthy, 0 pathological slices, 0 patients" in printed and "intensity" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--rel_z", "0.9", "1"], "a.npz: slices must be of both classes, got 10 healthy", id="one_class"),
        pytest.param(["--rel_z", "1", "0"], "got 1 and 0", id="rel_z"),
        pytest.param(["--size", "8", "16"], "a.npz: size must hold all voxels", id="size"),
        pytest.param(["--fractions", "0.5", "0.1", "0.1"], "fractions must not be negative and", id="fractions"),
        pytest.param(["--condition", "ms"], "a.npz: an archive of slices has no conditions, got ms", id="condition"),
    ],
)
def test_bad_arguments(archive, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main([str(archive), "--output_dir", str(tmp_path / "out"), *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "background included" in capsys.readouterr().out.replace("\n", " ")
