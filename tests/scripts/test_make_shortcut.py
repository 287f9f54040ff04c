from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bundle.data.records import load_sections
from scripts.make_shortcut import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("shortcut")
    counts = ["--healthy", "3", "--tumour", "3", "--ties", "1", "--every", "8", "--workers", "1"]
    main(["--output_dir", str(path), *counts])
    return path


def images(path, section):
    return {entry["subject"]: np.asarray(nib.load(entry["image"]).dataobj) for entry in load_sections(path)[section]}


def test_persons_differ_in_the_scanner_alone(folder):
    scanner = {}
    for tie in ("tie_0", "tie_1"):
        cohort = load_sections(folder / tie / "cohort" / "datalist.json")
        scanner[tie] = {entry["subject"]: entry["scanner"] for part in cohort.values() for entry in part}
    assert list(scanner["tie_1"].values()).count(1) == 3  # the patients
    for section in ("training", "test"):
        tied, free = (images(folder / tie / "datalist.json", section) for tie in ("tie_1", "tie_0"))
        assert tied.keys() == free.keys() and tied
        for subject, image in tied.items():
            person = subject.rpartition("_")[0]
            same = scanner["tie_1"][person] == scanner["tie_0"][person]
            assert np.array_equal(image, free[subject]) == same
            np.testing.assert_allclose(image, free[subject], rtol=0.16, atol=image.max() * 0.01)


def test_broken_test_slices_are_those_without_a_tie(folder):
    broken, free = images(folder / "tie_1" / "broken.json", "test"), images(folder / "tie_0" / "datalist.json", "test")
    assert all(np.array_equal(image, free[subject]) for subject, image in broken.items())
    parts = [load_sections(folder / "tie_1" / name)["training"] for name in ("datalist.json", "broken.json")]
    assert parts[0] == parts[1]


def test_mistakes_are_told_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--output_dir", str(tmp_path), "--ties", "1.5"])
    assert (
        "scanner_signature must be from 0 (independent of the class) to 1 (equal), got 1.5" in capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())
