from __future__ import annotations

import pytest

from bundle.data.cohorts.bids import read_bids

LEMON = [  # MPI-Leipzig Mind-Brain-Body, OpenNeuro ds000221
    "dataset_description.json",
    "sub-010001/ses-02/anat/sub-010001_ses-02_acq-lowres_FLAIR.nii.gz",
    "sub-010001/ses-02/anat/sub-010001_ses-02_inv-1_mp2rage.nii.gz",
    "sub-010002/ses-01/anat/sub-010002_ses-01_acq-lowres_FLAIR.nii.gz",
    "sub-010002/ses-02/anat/sub-010002_ses-02_acq-highres_FLAIR.nii.gz",
    "sub-010002/ses-02/anat/sub-010002_ses-02_acq-lowres_FLAIR.nii.gz",
    "sub-010002/ses-02/anat/sub-010002_ses-02_acq-lowres_FLAIR.json",
    "sub-010002/ses-02/func/sub-010002_ses-02_task-rest_bold.nii.gz",
]
IBC = [  # Individual Brain Charting, OpenNeuro ds002685
    "sub-01/ses-00/anat/sub-01_ses-00_FLAIR.nii.gz",
    "sub-01/ses-00/anat/sub-01_ses-00_T1w.nii.gz",
    "sub-15/ses-00/anat/sub-15_ses-00_FLAIR.nii.gz",
]
PATIENTS = [
    "sub-01/anat/sub-01_FLAIR.nii.gz",
    "sub-02/anat/sub-02_FLAIR.nii.gz",
    "derivatives/manual/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
    "derivatives/manual/sub-02/anat/sub-02_label-brain_mask.nii.gz",
]


def _participants(source, text):
    (source / "participants.tsv").write_text(text.replace(" ", "\t"))


def test_sessions_of_a_participant_are_one_person(make_tree):
    source = make_tree(*LEMON)
    _participants(source, "participant_id gender age\nsub-010001 F 20-25\nsub-010002 M 65-70\n")
    scans = read_bids(source, condition="healthy", entities={"acq": "lowres"}, dataset="MPI")
    assert [(scan.subject, scan.patient) for scan in scans] == [
        ("MPI_sub-010001_ses-02_acq-lowres", "MPI_sub-010001"),
        ("MPI_sub-010002_ses-01_acq-lowres", "MPI_sub-010002"),
        ("MPI_sub-010002_ses-02_acq-lowres", "MPI_sub-010002"),
    ]
    assert len(read_bids(source, condition="healthy")) == 4
    assert {(scan.label, scan.dataset, scan.mask) for scan in scans} == {(0, "MPI", None)}


def test_without_a_table(make_tree):
    source = make_tree(*IBC)
    scans = read_bids(source, condition="healthy")
    assert [scan.subject for scan in scans] == [f"{source.name}_sub-01_ses-00", f"{source.name}_sub-15_ses-00"]


def test_conditions_sites_and_masks(make_tree):
    source = make_tree(*PATIENTS)
    _participants(source, "participant_id group site\nsub-01 control Lyon\n02 MS Rennes\n")
    names = {"control": "healthy", "MS": "ms"}
    healthy, patient = read_bids(source, condition_column="group", conditions=names, dataset="x")
    assert (healthy.condition, healthy.site, healthy.mask) == ("healthy", "Lyon", None)
    assert (patient.condition, patient.site) == ("ms", "Rennes")
    assert patient.mask == source / "derivatives/manual/sub-02/anat/sub-02_label-lesion_mask.nii.gz"


@pytest.mark.parametrize(
    ("names", "table", "options", "match"),
    [
        pytest.param(PATIENTS, "participant_id sex\n1 F\n", {}, "got columns participant_id, sex", id="no_condition"),
        pytest.param(
            PATIENTS,
            "participant_id group\nsub-01 ms\n",
            {"condition_column": "group"},
            "sub-02_FLAIR.nii.gz: sub-02 must have a row",
            id="no_row",
        ),
        pytest.param(
            PATIENTS,
            "participant_id group\nsub-01 ms\nsub-02 n/a\n",
            {"condition_column": "group"},
            "sub-02 must have a condition in participants.tsv, got an empty value",
            id="no_value",
        ),
        pytest.param(
            PATIENTS,
            "participant_id group\nsub-01 ms\nsub-02 ms\n",
            {"condition": "ms", "condition_column": "group"},
            "given once, got 'ms' and column 'group'",
            id="condition_and_column",
        ),
        pytest.param(
            PATIENTS,
            "participant_id group\nsub-01 HC\nsub-02 ms\n",
            {"condition_column": "group"},
            "participants.tsv: row 1: 'HC' seems to mean healthy",
            id="control",
        ),
        pytest.param(
            PATIENTS,
            "participant_id sex\nsub-01 F\n",
            {"condition_column": "group"},
            "a column 'group', got participant_id, sex",
            id="no_column",
        ),
        pytest.param(
            [*PATIENTS, "derivatives/other/sub-02/anat/sub-02_space-T1w_desc-lesion_mask.nii.gz"],
            "participant_id\nsub-01\n",
            {"condition": "ms"},
            "one lesion mask, got sub-02_label-lesion_mask.nii.gz and sub-02_space-T1w_desc-lesion_mask",
            id="two_masks",
        ),
        pytest.param(
            [*IBC, "sub-02/ses-00/anat/sub-01_ses-00_FLAIR.nii.gz"],
            "participant_id\nsub-01\n",
            {"condition": "healthy"},
            "sub-02/ses-00/anat/.*: an image of sub-01 must lie in the folder sub-01",
            id="wrong_folder",
        ),
    ],
)
def test_bad_data_set(make_tree, names, table, options, match):
    source = make_tree(*names)
    _participants(source, table)
    with pytest.raises(ValueError, match=match):
        read_bids(source, **options)


def test_missing_files(make_tree):
    source = make_tree(*IBC)
    with pytest.raises(FileNotFoundError, match=r"sub-XX/anat/sub-XX_acq-lowres_FLAIR\.nii\.gz or the like, got none"):
        read_bids(source, condition="healthy", entities={"acq": "lowres"})
    with pytest.raises(FileNotFoundError, match=r"participants\.tsv: the table does not exist"):
        read_bids(source)
