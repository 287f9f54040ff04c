from __future__ import annotations

import pytest

from bundle.anomaly import load_thresholds
from bundle.handlers import ThresholdCalibrationHandler


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


def test_thresholds_maximise_pooled_dice_of_annotated_patients(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    feed(ThresholdCalibrationHandler(path, model_file, source="toy"), items)
    record = load_thresholds(path, model_file)
    # Attribution: 0.9 0.8 | 0.7 0.4 are lesion, 0.6 is not, one lesion voxel lies outside the brain.
    assert record["thresholds"]["attribution"] == pytest.approx(0.4)
    assert record["calibrated_on"]["pooled_dice"]["attribution"] == pytest.approx(2 * 4 / (5 + 5))
    # Intensity: 3.0 3.0 2.5 2.5 1.0 1.0 hold 1, 1 and 2 lesion voxels.
    assert record["thresholds"]["intensity"] == pytest.approx(1.0)
    assert record["calibrated_on"]["pooled_dice"]["intensity"] == pytest.approx(2 * 4 / (6 + 5))
    assert record["calibrated_on"]["annotated_subjects"] == 2 and record["calibrated_on"]["lesion_voxels"] == 5
    assert record["calibrated_on"]["source"] == "toy"


def test_a_second_run_starts_afresh(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    handler = ThresholdCalibrationHandler(path, model_file)
    feed(handler, items)
    feed(handler, items[:1])
    assert load_thresholds(path)["calibrated_on"]["annotated_subjects"] == 1


def test_no_mask_writes_no_file(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    with pytest.raises(ValueError, match="got 0 in 2 iterations"):
        feed(ThresholdCalibrationHandler(path, model_file), items[2:])
    assert not path.exists()
