from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("pydicom")
hd = pytest.importorskip("highdicom")

from bundle.anomaly import save_thresholds  # noqa: E402
from bundle.handlers.dicom import SaveDicomSegHandler  # noqa: E402
from bundle.preprocessing.raw_scans import RawScans, series_file  # noqa: E402
from tests.dicom_files import oblique_affine, write_series  # noqa: E402

SHAPE = (9, 8, 12)


@pytest.fixture
def mask():
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:5, 1:4, 3:6] = 1
    return mask


@pytest.fixture
def write(tmp_path):
    """Return a function that hands masks of subjects to the handler, and the scans that they came from."""
    (tmp_path / "model.pt").write_bytes(b"weights")
    save_thresholds(tmp_path / "threshold.json", tmp_path / "model.pt", {"attribution": 0.125})
    scans = RawScans(tmp_path / "raw", tmp_path / "out")
    handler = SaveDicomSegHandler(tmp_path / "out", scans, tmp_path / "threshold.json", tmp_path / "model.pt")

    def write(**masks):
        state = SimpleNamespace(
            batch=[{"subject": name} for name in masks],
            output=[{"pred": torch.as_tensor(mask[None])} for mask in masks.values()],
        )
        handler(SimpleNamespace(state=state))
        return scans

    return write


def note_files(tmp_path, name, files):
    note = series_file(tmp_path / "out" / "preprocessed", name)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"files": [str(file) for file in files]}))


def test_only_what_came_as_dicom(tmp_path, mask, write):
    note_files(tmp_path, "d", write_series(tmp_path / "series", mask, oblique_affine()))
    scans = write(d=mask, n=mask)
    assert [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.dcm")] == [
        "d/d_anomaly.dcm"
    ]
    seg = hd.seg.segread(tmp_path / "out" / "d" / "d_anomaly.dcm")
    assert seg.pixel_array.sum() == mask.sum() and not scans.failed
    assert (
        "threshold=0.125" in seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    )


def test_a_seg_that_cannot_be_written_leaves_none_of_an_earlier_run(tmp_path, mask, write):
    files = write_series(tmp_path / "series", mask, oblique_affine())
    note_files(tmp_path, "d", files)
    write(d=mask)
    files[4].unlink()
    scans = write(d=mask)
    assert not list((tmp_path / "out").rglob("*.dcm")) and files[4].name in scans.failed["d"]
    with pytest.raises(ValueError, match=rf"d: not segmented, .*{files[4].name}"):
        scans.check_all_done()
