from __future__ import annotations

import pytest

from bundle.data.cohorts.table import read_table_cohort


def _write(folder, text):
    path = folder / "cohort.csv"
    path.write_text(text)
    return path


def test_all_columns(tmp_path):
    source = _write(
        tmp_path,
        "subject,image,label,condition,mask,patient,site,group,section\n"
        "a1,i/a1.nii,0,Control,,a,Lyon,,training\n"
        "a2,i/a2.nii,,Control,,a,Lyon,,training\n"
        "b,/data/b.nii,1,,m/b.nii,,,RR,\n",
    )
    first, second, third = read_table_cohort(source, conditions={"control": "healthy"}, dataset="mine")
    assert (first.subject, second.subject, first.patient, second.patient) == ("mine_a1", "mine_a2", "mine_a", "mine_a")
    assert first.image == tmp_path / "i/a1.nii" and first.mask is None and first.sections == ("training",)
    assert (first.condition, first.label, third.condition, third.label) == ("healthy", 0, "pathological", 1)
    assert str(third.image) == "/data/b.nii" and third.mask == tmp_path / "m/b.nii"
    assert third.patient == "mine_b" and third.sections == ("training", "validation", "test")
    assert (third.site, third.group, third.dataset) == ("", "RR", "mine")


def test_other_names_and_one_condition(tmp_path):
    source = _write(tmp_path, "ID;FLAIR path\n7;a.nii\n")
    (scan,) = read_table_cohort(source, columns={"subject": "id", "image": "flair_path"}, condition="ms")
    assert (scan.subject, scan.condition, scan.dataset) == ("7", "ms", "cohort")


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        pytest.param("subject,image\na,a.nii\n", {}, "'condition' or 'label', got subject, image", id="no_condition"),
        pytest.param("subject,label\na,0\n", {}, "a column 'image', got subject, label", id="no_image"),
        pytest.param("subject,image,label\na,b,0\n", {"columns": {"scan": "image"}}, "got 'scan'", id="unknown_role"),
        pytest.param("subject,image,label\na,a.nii,2\n", {}, "row 1: 'label' must be 0 .* got '2'", id="label"),
        pytest.param("subject,image,label\na,a.nii,\n", {}, "must not both be empty", id="neither"),
        pytest.param("subject,image,label\n,a.nii,0\n", {}, "row 1: 'subject' must not be empty", id="no_subject"),
        pytest.param("subject,image,label\na,,0\n", {}, "row 1: 'image' must not be empty", id="empty_image"),
        pytest.param(
            "subject,image,label,condition\na,a.nii,0,ms\n", {}, "agree with the condition 'ms', got '0'", id="disagree"
        ),
        pytest.param("subject,image,condition\na,a.nii,HC\n", {}, "row 1: 'HC' seems to mean healthy", id="control"),
        pytest.param("subject,image,label,section\na,a.nii,0,val\n", {}, "got 'val'", id="section"),
    ],
)
def test_bad_table(tmp_path, text, options, match):
    with pytest.raises(ValueError, match=match):
        read_table_cohort(_write(tmp_path, text), **options)


def test_every_bad_row_is_named(tmp_path):
    source = _write(tmp_path, "subject,image,label\na,a.nii,2\nb,b.nii,0\nc,,1\n")
    with pytest.raises(ValueError, match="row 1: ") as error:
        read_table_cohort(source)
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == ["row 1", "row 3"]
