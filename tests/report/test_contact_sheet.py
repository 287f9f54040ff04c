from __future__ import annotations

import json

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest

from bundle.report.contact_sheet import draw_contact_sheet


@pytest.fixture
def datalist(tmp_path):
    """Three healthy subjects without mask and one with a lesion."""
    entries = []
    for index in range(4):
        image = np.zeros((12, 14, 10), np.int16)
        image[2:10, 2:12, 2:8] = 100
        mask = np.zeros(image.shape, np.uint8)
        mask[4:8, 4:8, 6] = 1
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / f"{index}.nii.gz")
        nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / f"{index}_mask.nii.gz")
        entry = {"subject": f"s{index}", "image": f"{index}.nii.gz", "label": int(index == 3)}
        entries.append({**entry, "condition": "ms", "mask": f"{index}_mask.nii.gz"} if index == 3 else entry)
    path = tmp_path / "datalist.json"
    path.write_text(json.dumps({"test": entries}))
    return path


def test_lesions_are_outlined_in_red(datalist, tmp_path):
    picture = draw_contact_sheet(datalist, tmp_path / "new" / "sheet.png", columns=2)
    pixels = matplotlib.image.imread(picture)
    height, width = (int(size) for size in pixels.shape[:2])
    assert width / height == pytest.approx(2 * 1.5 / (2 * 1.95), abs=0.01)  # two rows, two columns
    red = (pixels[..., 0] > 0.8) & (pixels[..., 1] < 0.5)
    assert not red[: height // 2].any()  # healthy
    assert red[height // 2 :, : width // 2].any()  # ms, first column
    assert not red[height // 2 :, width // 2 :].any()  # there is no second subject


def test_bad_number_of_columns(datalist, tmp_path):
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        draw_contact_sheet(datalist, tmp_path / "sheet.png", columns=0)
