from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.data.records import load_sections
from bundle.data.shortcut import BROKEN, TIED, shortcut_datalists, tie_name, tie_strength


@pytest.mark.parametrize(
    ("strength", "name"), [(0.0, "tie_0"), (0.5, "tie_05"), (0.25, "tie_025"), (0.9, "tie_09"), (1.0, "tie_1")]
)
def test_names_of_ties(strength, name):
    assert tie_name(strength) == name and tie_strength(name) == strength


@pytest.mark.parametrize("name", ["tumour", "tie_", "tie_x", "tie_05_broken"])
def test_other_names(name):
    with pytest.raises(ValueError, match=f"named like tie_0, tie_05 or tie_1, got '{name}'"):
        tie_strength(name)


def slices_of(person, section, label):
    """Two slices with the person's own label, and, of a patient, one without lesion."""
    labels = [label, label, *([0] if label else [])]
    return [
        {
            "subject": f"{person}_{number}",
            "patient": person,
            "image": f"images/{person}_{number}.nii.gz",
            "mask": f"masks/{person}_{number}.nii.gz",
            "label": own,
            "condition": "tumour" if own else "healthy",
        }
        for number, own in enumerate(labels)
    ]


PERSONS = {f"{section}{label}": (section, label) for section in ("training", "validation", "test") for label in (0, 1)}


@pytest.fixture
def files(tmp_path):
    """Write the datalists of a cohort, of its slices and of those of another tie."""
    cohort, slices = {}, {}
    for person, (section, label) in PERSONS.items():
        entry = {"subject": person, "image": f"images/{person}.nii.gz", "label": label, "scanner": label}
        cohort.setdefault(section, []).append(entry)
        slices.setdefault(section, []).extend(slices_of(person, section, label))
    contents = {"tie_1/cohort": cohort, "tie_1/slices": slices, "tie_0/slices": slices}
    for folder, content in contents.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "datalist.json").write_text(json.dumps(content))
    return [tmp_path / folder / "datalist.json" for folder in contents]


def write(files):
    folder = files[0].parents[1]
    for name, content in shortcut_datalists(*files, folder).items():
        (folder / name).write_text(json.dumps(content))
    return {name: load_sections(folder / name) for name in (TIED, BROKEN)}


def test_slices_that_would_loosen_the_tie_are_left_out(files):
    sections = write(files)[TIED]
    found = {name: [(entry["patient"], entry["label"]) for entry in part] for name, part in sections.items()}
    assert found == {
        section: [(f"{section}0", 0), (f"{section}0", 0), (f"{section}1", 1), (f"{section}1", 1)]
        for section in ("training", "validation", "test")
    }


def test_broken_differs_in_the_images_of_the_test_section_alone(files):
    sections = write(files)
    for name in ("training", "validation"):
        assert sections[TIED][name] == sections[BROKEN][name]
    for tied, broken in zip(sections[TIED]["test"], sections[BROKEN]["test"], strict=True):
        assert {key for key in tied if tied[key] != broken[key]} == {"image", "mask"}
        assert Path(tied["image"]).resolve().parent == files[1].parent.resolve() / "images"
        assert Path(broken["image"]).resolve().parent == files[2].parent.resolve() / "images"


def test_slices_of_another_cohort(files):
    content = json.loads(files[1].read_text())
    content["training"][0]["patient"] = "stranger"
    files[1].write_text(json.dumps(content))
    with pytest.raises(ValueError, match="of a person of the cohort, got 'stranger'"):
        write(files)


def test_other_test_slices(files):
    content = json.loads(files[2].read_text())
    content["test"].pop(0)
    files[2].write_text(json.dumps(content))
    with pytest.raises(ValueError, match="got 3 for 4, such as test0_0 in one alone; make both with the same seed"):
        write(files)


def test_no_test_slices(files):
    for path in files[1:]:
        content = json.loads(path.read_text())
        del content["test"]
        path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="got 0 for 0; make both"):
        write(files)
