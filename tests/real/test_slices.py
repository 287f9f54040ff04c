"""The 2D set-up on real slices and volumes; the plain intensity baseline does not depend on any weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bundle.data.records import load_sections
from scripts.cohort import main as cohort
from scripts.make_slices import main as make_slices

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not (DATA / "lgg2d.npz").is_file(), reason="the folder ../shared/data is missing")


def test_archive(tmp_path, capsys):
    make_slices([str(DATA / "lgg2d.npz"), "--output_dir", str(tmp_path), "--every", "4"])
    arrays = np.load(DATA / "lgg2d.npz")
    band = (arrays["rel_z"] > 0.32) & (arrays["rel_z"] < 0.86)
    share = arrays["mask"].mean(axis=(1, 2))
    first = {patient: np.flatnonzero(arrays["patient"] == patient)[0] for patient in np.unique(arrays["patient"])}
    sections = load_sections(tmp_path / "datalist.json")
    counts = {name: len({entry["patient"] for entry in entries}) for name, entries in sections.items()}
    assert counts == {"training": 55, "validation": 8, "test": 16}
    for entry in (entry for entries in sections.values() for entry in entries):
        index = first[entry["patient"]] + int(entry["subject"].rsplit("_", 1)[1])
        assert band[index] and entry["label"] == (share[index] > 1e-3) and (entry["label"] or share[index] == 0)
    entry, *_ = sections["test"]
    index = first[entry["patient"]] + int(entry["subject"].rsplit("_", 1)[1])
    np.testing.assert_array_equal(nib.load(entry["image"]).dataobj, arrays["image"][index].T[:, ::-1])
    assert "intensity threshold, test slices, all: average precision 0.1" in capsys.readouterr().out


def test_tumour_volumes(tmp_path):
    cohort(["build", "folders", str(DATA / "tumour"), "--section", "test", "--output", str(tmp_path / "all.json")])
    arguments = [str(tmp_path / "all.json"), "--output_dir", str(tmp_path / "out"), "--every", "8"]
    make_slices([*arguments, "--size", "192", "224", "--fractions", "0.5", "0.2", "0.3"])
    entries = [entry for part in load_sections(tmp_path / "out" / "datalist.json").values() for entry in part]
    assert len({entry["patient"] for entry in entries}) == 9
    assert set(Counter(entry["label"] for entry in entries)) == {0, 1}
    for entry in entries:
        mask = nib.load(entry["mask"])
        assert mask.shape == (192, 224) and (mask.get_fdata().sum() > 57.6) == entry["label"]  # 0.1 % of 240 x 240
