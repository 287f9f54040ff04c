from __future__ import annotations

import json

import pytest

from bundle.data.records import check_both_classes, list_volumes, load_datalist, load_sections, validate_datalist


def _entry(subject, label, **more):
    return {"subject": subject, "image": f"images/{subject}.nii.gz", "label": label, **more}


def _datalist():
    return {
        "name": "toy",
        "grid_spacing_mm": [2, 2, 2],
        "training": [_entry("a", 0), _entry("b", 1, condition="ms", mask="masks/b.nii.gz")],
        "validation": [_entry("c", 0, mask=None)],
        "test": [_entry("d", 1)],
    }


def _write(folder, datalist):
    path = folder / "datalist.json"
    path.write_text(json.dumps(datalist))
    return path


def test_paths_are_absolute_and_conditions_filled(tmp_path):
    path = _write(tmp_path, _datalist())
    healthy, ms = load_datalist(path, "training")
    assert healthy == {"subject": "a", "image": str(tmp_path / "images/a.nii.gz"), "label": 0, "condition": "healthy"}
    assert ms["mask"] == str(tmp_path / "masks/b.nii.gz") and ms["condition"] == "ms"
    assert "mask" not in load_datalist(path, "validation")[0]
    assert load_datalist(path, "test")[0]["condition"] == "pathological"


def test_test_section_alone_may_hold_one_class(tmp_path):
    path = _write(tmp_path, {"test": [_entry("d", 1), _entry("e", 1)]})
    assert [entry["subject"] for entry in load_datalist(path, "test")] == ["d", "e"]


def test_all_sections_with_entries(tmp_path):
    path = _write(tmp_path, {**_datalist(), "validation": []})
    assert load_sections(path) == {name: load_datalist(path, name) for name in ("training", "test")}


def test_images_of_one_patient_in_one_section(tmp_path):
    test = [_entry("p_1", 1, patient="p"), _entry("p_2", 0, patient="p")]
    path = _write(tmp_path, {**_datalist(), "test": test})
    assert [entry["patient"] for entry in load_datalist(path, "test")] == ["p", "p"]


def _cross_patient(datalist):
    datalist["training"][0]["patient"] = datalist["test"][0]["patient"] = "p"


def _changed(change):
    datalist = _datalist()
    change(datalist)
    return datalist


@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param(
            lambda d: d["training"].pop(0), r"'training' holds one class only, label 1 \(path", id="one_class"
        ),
        pytest.param(lambda d: d["training"].pop(1), r"'training' holds one class only, label 0 \(heal", id="healthy"),
        pytest.param(lambda d: d["test"].append(_entry("a", 0)), "'a' stands in training and test", id="two_splits"),
        pytest.param(_cross_patient, "patient 'p' stands in training and test; keep every patient", id="patient"),
        pytest.param(lambda d: d["test"][0].update(patient=7), "'patient' must be text .* got 7", id="patient_number"),
        pytest.param(lambda d: d["test"].append(_entry("d", 1)), "'d' stands 2 times in section 'test'", id="twice"),
        pytest.param(lambda d: d["test"][0].pop("image"), r"test\[0\] \(d\) has no 'image'", id="no_image"),
        pytest.param(lambda d: d["test"][0].pop("label"), r"test\[0\] \(d\) has no 'label'", id="no_label"),
        pytest.param(lambda d: d["test"][0].pop("subject"), r"test\[0\] has no 'subject'", id="no_subject"),
        pytest.param(lambda d: d["test"][0].update(label=2), "must be 0 .* got 2", id="label_2"),
        pytest.param(lambda d: d["test"][0].update(label="1"), "must be 0 .* got '1'", id="label_text"),
        pytest.param(lambda d: d["test"][0].update(label=True), "must be 0 .* got True", id="label_true"),
        pytest.param(lambda d: d["test"][0].update(image=3), "'image' must be text .* got 3", id="image_number"),
        pytest.param(lambda d: d["test"][0].update(subject=""), "'subject' must be text .* got ''", id="subject_empty"),
        pytest.param(lambda d: d.update(train=[_entry("x", 0)]), "unknown section 'train'", id="unknown_section"),
        pytest.param(lambda d: d.update(test=[]), "'test' is missing or empty", id="empty_section"),
        pytest.param(lambda d: d.pop("test"), "'test' is missing or empty", id="missing_section"),
        pytest.param(
            lambda d: d.update(test={"a": 1}), "'test' must be a list of entries, got dict", id="section_kind"
        ),
        pytest.param(lambda d: d["test"].append("e.nii"), r"test\[1\] must be an object .* got str", id="entry_kind"),
    ],
)
def test_one_problem(tmp_path, change, match):
    path = _write(tmp_path, _changed(change))
    with pytest.raises(ValueError, match=rf"datalist\.json: .*{match}") as error:
        load_datalist(path, "test")
    assert "\n" not in str(error.value)


def test_all_problems_at_once(tmp_path):
    datalist = _datalist()
    datalist["training"] = [_entry("a", 0), {"subject": "d", "label": 3}]
    with pytest.raises(ValueError, match="one class only") as error:
        load_datalist(_write(tmp_path, datalist), "training")
    lines = str(error.value).splitlines()
    assert len(lines) == 4 and all("datalist.json: " in line for line in lines)  # image, label, class, two splits


def test_validate_without_section():
    assert validate_datalist(_datalist()) == []
    assert validate_datalist({}) == ["no section has an entry; add training, validation, test"]
    assert "got list" in validate_datalist([])[0] and "got null" in validate_datalist(None)[0]
    assert "unknown section 'train' asked for" in validate_datalist(_datalist(), "train")[0]


def test_bad_json(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"datalist\.json: the datalist does not exist"):
        load_datalist(tmp_path / "datalist.json", "test")
    (tmp_path / "datalist.json").write_text('{"test": [}')
    with pytest.raises(ValueError, match=r"datalist\.json: .* valid JSON.*line 1 column 11"):
        load_datalist(tmp_path / "datalist.json", "test")


def test_list_volumes(tmp_path):
    for name in ("b_flair.nii.gz", "a_flair.nii", "a_seg.nii.gz", "notes.txt", "._a_flair.nii.gz"):
        (tmp_path / name).touch()
    entries = list_volumes(tmp_path, pattern="*_flair.nii*")
    assert entries == [
        {"subject": "a_flair", "image": str(tmp_path / "a_flair.nii")},
        {"subject": "b_flair", "image": str(tmp_path / "b_flair.nii.gz")},
    ]
    assert len(list_volumes(tmp_path)) == 3
    assert list_volumes(tmp_path / "b_flair.nii.gz") == entries[1:]
    path = _write(tmp_path, _datalist())
    assert list_volumes(path) == load_datalist(path, "test")
    assert list_volumes(path, "training") == load_datalist(path, "training")


def test_bad_volume_lists(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent: no such file or folder"):
        list_volumes(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path.name}: .*got none"):
        list_volumes(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"a\.png: an input must be"):
        list_volumes(tmp_path / "a.png")
    for name in ("a.nii", "a.nii.gz"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"both \.nii and \.nii\.gz of a;"):
        list_volumes(tmp_path)


def test_both_classes_are_there():
    sections = {"training": [_entry("a", 0), _entry("b", 1)], "validation": [_entry("c", 1), _entry("d", 0)]}
    assert check_both_classes("list.json", sections) == [*sections["training"], *sections["validation"]]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        pytest.param(1, r"list\.json: section 'validation' .* got 0 healthy of 2; add healthy images", id="patients"),
        pytest.param(0, r"list\.json: section 'validation' .* got 2 healthy of 2; add pathological", id="healthy"),
    ],
)
def test_class_that_is_missing(label, message):
    sections = {"training": [_entry("a", 0), _entry("b", 1)], "validation": [_entry("c", label), _entry("d", label)]}
    with pytest.raises(ValueError, match=message):
        check_both_classes("list.json", sections)
