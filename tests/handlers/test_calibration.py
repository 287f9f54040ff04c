from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from bundle.anomaly import PlattScaling, load_thresholds
from bundle.handlers import ThresholdCalibrationHandler, check_calibration


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
    with pytest.raises(ValueError, match="got 0 among 2 subjects"):
        feed(ThresholdCalibrationHandler(path, model_file), items[2:])
    assert not path.exists()


def test_no_lesion_voxel_in_the_brain(tmp_path, model_file, items, feed):
    item = items[0]
    item["mask"] = torch.zeros_like(item["mask"])
    item["mask"].flatten()[-1] = 1  # the voxel outside the brain
    path = tmp_path / "threshold.json"
    with pytest.raises(ValueError, match=r"needs lesion voxels in the brain, got 0 of 1\. Check the masks' grid"):
        feed(ThresholdCalibrationHandler(path, model_file), [item, items[3]])
    assert not path.exists()


def healthy_items(items, count, **changes):
    """Repeat the healthy item, each time brighter, as subjects h0, h1, ..."""
    copies = []
    for number in range(count):
        item = {**items[3], "subject": f"h{number}", **changes}
        for name in ("attribution", "intensity"):
            inside = item[f"{name}_map"] > -100
            item[f"{name}_map"] = torch.where(inside, item[f"{name}_map"] + number, item[f"{name}_map"])
        copies.append(item)
    return copies


def after(value):
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def test_healthy_subjects_alone(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    unlabelled = [{key: value for key, value in items[0].items() if key != "mask"}]
    handler = ThresholdCalibrationHandler(
        path, model_file, calibration="healthy", false_positive_ml=1.0, false_positive_risk=0.25
    )
    feed(handler, healthy_items(items, 7) + unlabelled)
    record = load_thresholds(path, model_file)
    # Voxels are half a millilitre, so two may be called; the third highest intensity is 1, brighter by 0 to 6, and
    # rank ceil(0.75 x 8) = 6 is the one brighter by 5. The third highest attribution is -0.5.
    assert record["thresholds"] == {"attribution": after(np.float32(-0.5) + np.float32(5)), "intensity": after(6.0)}
    assert record["calibration"] == "healthy" and record["healthy_only"]["thresholds"] == record["thresholds"]
    bound = {
        name: record["healthy_only"][name] for name in ("false_positive_ml", "false_positive_risk", "subjects", "rank")
    }
    assert bound == {"false_positive_ml": 1.0, "false_positive_risk": 0.25, "subjects": 7, "rank": 6}
    exceeded = sum(
        int((item["intensity_map"] >= record["thresholds"]["intensity"]).sum()) > 2 for item in healthy_items(items, 7)
    )
    assert exceeded == 1


def test_slices_of_one_patient_count_once(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    slices = healthy_items(items, 3, patient="p") + healthy_items(items, 1)
    handler = ThresholdCalibrationHandler(
        path, model_file, calibration="healthy", false_positive_ml=1.0, false_positive_risk=0.4
    )
    feed(handler, slices)
    record = load_thresholds(path)["healthy_only"]
    assert (record["subjects"], record["rank"]) == (2, 2)
    assert record["thresholds"]["intensity"] == after(4.0)  # of 5, 4.5, 4, 3.5, ... in the slices of p


def test_masks_keep_the_healthy_thresholds_beside_theirs(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    options = {"false_positive_ml": 1.0, "false_positive_risk": 0.5}
    feed(ThresholdCalibrationHandler(path, model_file, **options), items)
    record = load_thresholds(path)
    assert record["calibration"] == "masks" and record["thresholds"]["intensity"] == 1.0
    assert record["healthy_only"]["thresholds"] == {"attribution": after(-0.5), "intensity": after(1.0)}
    feed(ThresholdCalibrationHandler(path, model_file), items)  # one healthy subject is too few for a risk of 0.1
    assert "healthy_only" not in load_thresholds(path)


def test_too_few_healthy_subjects_write_no_file(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    with pytest.raises(ValueError, match=r"at least 9 healthy subjects, got 1; .* 1 can give is 1/2"):
        feed(ThresholdCalibrationHandler(path, model_file, calibration="healthy"), items)
    assert not path.exists()


def test_probability_is_scaled_on_all_subjects(tmp_path, model_file, items, feed):
    path = tmp_path / "threshold.json"
    feed(ThresholdCalibrationHandler(path, model_file), items)
    record = load_thresholds(path)["probability"]
    scaling = PlattScaling.fit([2.0, -1.0, 1.0, -3.0], [1, 1, 1, 0])
    assert (record["slope"], record["intercept"]) == (pytest.approx(scaling.slope), pytest.approx(scaling.intercept))
    assert (record["images"], record["pathological_images"]) == (4, 3)
    feed(ThresholdCalibrationHandler(path, model_file), items[:3])
    record = load_thresholds(path)["probability"]
    assert record["method"] is None and "3 pathological of 3" in record["reason"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"calibration": "prc"}, "one of masks, healthy, got 'prc'"),
        ({"false_positive_ml": -1.0}, r"at least 0, got -1\.0"),
        ({"false_positive_risk": 1.5}, r"\(0, 1\), got 1\.5"),
    ],
)
def test_wrong_arguments(tmp_path, model_file, items, options, match):
    with pytest.raises(ValueError, match=match):
        ThresholdCalibrationHandler(tmp_path / "threshold.json", model_file, **options)
    with pytest.raises(ValueError, match=match):
        check_calibration(items, **options)


def test_check_before_a_run(items):
    without = [{key: value for key, value in item.items() if key != "mask"} for item in items]
    assert check_calibration(items) is items
    with pytest.raises(ValueError, match=r"threshold calibration needs .* got 0 masks for 3"):
        check_calibration(without)
    assert check_calibration(without, "healthy", false_positive_risk=0.5) is without
    slices = [{"subject": f"s{number}", "patient": f"p{number // 5}", "label": 0} for number in range(40)]
    with pytest.raises(ValueError, match=re.escape("at least 9 healthy subjects, got 8")):
        check_calibration(slices, "healthy")
    with pytest.raises(ValueError, match="a validation section, got 0 images"):
        check_calibration([])
