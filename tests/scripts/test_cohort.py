from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bundle.data.records import load_sections
from scripts.cohort import main

ROOT = Path(__file__).parents[2]
MASK = np.zeros((6, 7, 5), np.uint8)
MASK[2:4, 2:4, 2:4] = 1


def _touch(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture(scope="module")
def public_data(tmp_path_factory):
    """Every data set of the paper's Table I by its file names, with as many cases as it has; the files are empty."""
    root = tmp_path_factory.mktemp("public")
    mpi = [f"sub-{person:06d}" for person in range(32301, 32301 + 228)]
    _touch(root / "MPI", (f"{p}/ses-01/anat/{p}_ses-01_acq-lowres_FLAIR.nii.gz" for p in mpi))
    _touch(root / "MPI", (f"{p}/ses-02/anat/{p}_ses-02_acq-lowres_FLAIR.nii.gz" for p in mpi[::3]))
    _touch(root / "kirby21", (f"KKI2009-{scan:02d}-FLAIR.nii.gz" for scan in range(1, 43)))
    rows = "".join(f"KKI2009-{scan:02d},{100 + scan % 21}\n" for scan in range(1, 43))
    (root / "kirby21" / "demographics.csv").write_text(f"Scan,Subject\n{rows}")
    ibc = [f"sub-{person:02d}" for person in (1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15)]
    _touch(root / "IBC", (f"{p}/ses-00/anat/{p}_ses-00_FLAIR.nii.gz" for p in ibc))
    cases = [f"BraTS20_Training_{case:03d}" for case in range(1, 370)]
    brats = root / "MICCAI_BraTS2020_TrainingData"
    _touch(
        brats,
        (f"{case}/{case}_{name}.nii.gz" for case in cases for name in ("flair", "seg")),
    )
    grades = "".join(f"{'LGG' if 260 <= int(case[-3:]) <= 335 else 'HGG'},NA,{case}\n" for case in cases)
    (brats / "name_mapping.csv").write_text(f"Grade,BraTS_2019_subject_ID,BraTS_2020_subject_ID\n{grades}")
    centres = {"Training": {1: 5, 7: 5, 8: 5}, "Testing": {1: 10, 3: 8, 7: 10, 8: 10}}
    for part, counts in centres.items():
        for centre, count in counts.items():
            case = [f"{part}/Center_{centre:02d}/Patient_{number:02d}" for number in range(1, count + 1)]
            _touch(root / "MSSEG", (f"{c}/{n}.nii.gz" for c in case for n in ("Raw_Data/FLAIR", "Masks/Consensus")))
    visits = "".join(f"{who};RR;0{visit}/03/2019;{who}_{visit}.nii\n" for who in range(501) for visit in "12")
    (root / "OFSEP.csv").write_text(f"Patient ID;Course;MRI date;FLAIR\n{visits}")
    return root


def _documented(output, root, folder):
    """Return the arguments of the command of docs/data.md that writes a list, with other folders."""
    text = (ROOT / "docs" / "data.md").read_text()
    (command,) = [block for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if f"lists/{output}" in block]
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:3] == ["python", "-m", "scripts.cohort"]
    return [re.sub("^lists/", f"{folder}/", re.sub("^raw/", f"{root}/", word)) for word in words[3:]]


HEALTHY = {"MPI": [64, 15, 15], "kirby21": [22, 5, 5], "IBC": [8, 2, 2]}
PATIENTS = {
    "tumour.json": {"BraTS2020": [280, 40, 49]},
    "ms.json": {"MSSEG2016": [12, 3, 37], "OFSEP": [401, 50, 50]},
}


@pytest.mark.parametrize("output", PATIENTS)
def test_split_sizes_of_the_paper(public_data, tmp_path, capsys, output):
    main(_documented(output, public_data, tmp_path))
    sections = load_sections(tmp_path / output)
    counts = {section: Counter(entry["dataset"] for entry in entries) for section, entries in sections.items()}
    found = {name: [counts[section][name] for section in counts] for name in counts["training"]}
    assert found == HEALTHY | PATIENTS[output]
    people = [person for entries in sections.values() for person in {entry["patient"] for entry in entries}]
    assert len(people) == len(set(people))
    low_grade = {section: sum(entry["group"] == "LGG" for entry in part) for section, part in sections.items()}
    assert all(abs(low_grade[section] - counts[section]["BraTS2020"] * 76 / 369) <= 1 for section in sections)
    challenge = {name: [e for e in part if e["dataset"] == "MSSEG2016"] for name, part in sections.items()}
    assert set(Counter(entry["site"] for entry in challenge["training"]).values()) <= {4}  # 12 of 15, three centres
    assert all(entry["subject"].startswith("MSSEG2016_Testing") for entry in challenge["test"])
    assert "| kirby21 | healthy | 22 of 11 persons | 5 of 3 persons | 5 of 3 persons | 0 |" in capsys.readouterr().out
    before = (tmp_path / output).read_text()
    main(_documented(output, public_data, tmp_path))
    assert (tmp_path / output).read_text() == before


def test_sections_and_parts(public_data, tmp_path):
    output = tmp_path / "datalist.json"
    main(["build", "msseg2016", f"{public_data}/MSSEG", "--section", "test", "--pool", "--output", str(output)])
    assert {name: len(part) for name, part in load_sections(output).items()} == {"test": 53}
    main(["build", "datalist", str(output), "--output", str(output), "+", "folders", str(_volumes(tmp_path))])
    assert {name: len(part) for name, part in load_sections(output).items()} == {
        "training": 6,
        "validation": 2,
        "test": 55,
    }
    main(["build", "folders", str(tmp_path / "volumes"), "--fractions", "0.4", "0.3", "0.3", "--output", str(output)])
    assert [len(part) for part in load_sections(output).values()] == [4, 4, 2]


def _volumes(folder):
    """Write five healthy persons and five patients."""
    for number in range(10):
        condition = "ms" if number % 2 else "healthy"
        path = folder / "volumes" / condition / f"p{number}_flair.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels = np.random.default_rng(number).random(MASK.shape, np.float32)
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
        if number % 2:
            nib.save(nib.Nifti1Image(MASK, np.eye(4)), path.with_name(f"p{number}_seg.nii.gz"))
    return folder / "volumes"


def test_build_validate_describe(tmp_path, capsys):
    output, report = tmp_path / "datalist.json", tmp_path / "new" / "report.json"
    main(["build", "folders", str(_volumes(tmp_path)), "--output", str(output)])
    main(["validate", str(output), "--json", str(report), "--workers", "1"])
    assert f"{output}: 10 images, 0 problems" in capsys.readouterr().out
    assert json.loads(report.read_text())["problems"] == []
    main(["describe", str(output)])
    printed = capsys.readouterr().out
    assert "| volumes | ms | 3 | 1 | 1 | 5 |" in printed
    assert "| 10 | 6x7x5 voxels of 1x1x1 mm | 1 | p" in printed


def test_problems_are_printed_and_accepted(tmp_path, capsys):
    output, report = tmp_path / "datalist.json", tmp_path / "report.json"
    source = _volumes(tmp_path)
    main(["build", "folders", str(source), "--output", str(output)])
    (source / "healthy" / "p2_flair.nii.gz").unlink()
    nib.save(nib.Nifti1Image(MASK * 9, np.eye(4)), source / "ms" / "p1_seg.nii.gz")
    with pytest.raises(SystemExit) as stopped:
        main(["validate", str(output), "--json", str(report)])
    lines = stopped.value.code.splitlines()  # a text: printed, and exit status 1
    assert len(lines) == 2 and all(line.startswith("error: ") for line in lines)
    assert any("p2: " in line and "p2_flair.nii.gz: the file does not exist" in line for line in lines)
    assert any("p1: " in line and "got 9 in 8 voxels" in line for line in lines)
    assert [problem["kind"] for problem in json.loads(report.read_text())["problems"]].count("missing") == 1
    with pytest.raises(SystemExit, match="does not exist"):
        main(["validate", str(output), "--mask_labels", "0", "1", "9"])
    capsys.readouterr()
    main(["validate", str(output), "--accept", "missing", "mask_labels"])
    assert capsys.readouterr().out.count("accepted: ") == 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        pytest.param(["folders", "absent"], "error: absent: this reader needs a folder, found nothing", id="source"),
        pytest.param(["table", "bad.csv"], "row 1: .*got '2'.*\nerror: .*row 2: .*got '3'", id="two_rows"),
        pytest.param(
            ["folders", "volumes", "--sizes", "9", "9", "9"], "sizes ask for 9 images in validation", id="few"
        ),
        pytest.param(["folders", "volumes/ms"], "one class only, label 1", id="one_class"),
    ],
)
def test_bad_sources(tmp_path, monkeypatch, arguments, match):
    _volumes(tmp_path)
    (tmp_path / "bad.csv").write_text("subject,image,label\na,a.nii,2\nb,b.nii,3\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=match):
        main(["build", *arguments, "--output", "lists/datalist.json"])
    assert not (tmp_path / "lists").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["build", "dicom", "x"], "invalid choice: 'dicom'", id="reader"),
        pytest.param(["build", "brats", "x"], "--output must be given once, got 0", id="no_output"),
        pytest.param(
            ["build", "brats", "x", "--output", "a", "+", "brats", "y", "--output", "b"], "got 2", id="outputs"
        ),
        pytest.param(["build", "bids", "x", "--entities", "acq"], "must be NAME=VALUE, got 'acq'", id="pair"),
        pytest.param(["build", "brats", "x", "--condition", "ms"], "unrecognized arguments: --condition", id="option"),
        pytest.param(["build", "brats", "x", "--section", "val"], "invalid choice: 'val'", id="section"),
        pytest.param(["validate", "x", "--workers", "many"], "invalid int value: 'many'", id="workers"),
    ],
)
def test_bad_arguments(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_help_names_the_options_of_a_reader(capsys):
    for arguments, words in (
        (["--help"], "several are combined"),
        (["build", "kirby21", "--help"], "--demographics"),
        (["validate", "--help"], "mask_affine: masks whose header"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0 and words in capsys.readouterr().out
