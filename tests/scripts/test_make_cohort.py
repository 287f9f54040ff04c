from __future__ import annotations

import pytest

from bundle.data.records import load_datalist
from scripts.make_cohort import main

SMALL = ["--healthy", "3", "--tumour", "0", "--ms", "3", "--workers", "1"]


def test_end_to_end_and_resumed(tmp_path, capsys):
    folder, picture = tmp_path / "new" / "cohort", tmp_path / "docs" / "cohort.png"
    main(["--output_dir", str(folder), *SMALL])
    printed = capsys.readouterr().out
    assert "test subjects, all: average precision 0." in printed
    assert "test subjects, ms: average precision 0." in printed
    assert printed.splitlines()[-1] == str(folder / "datalist.json")
    assert sum(len(load_datalist(folder / "datalist.json", part)) for part in ("training", "validation", "test")) == 6

    image = folder / "images" / "sub-0001_flair.nii.gz"
    content = image.read_bytes()
    image.unlink()
    main(["--output_dir", str(folder), *SMALL, "--contact_sheet", str(picture)])
    assert image.read_bytes() == content
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--healthy", "-4"], "healthy subjects must not be negative, got -4", id="negative"),
        pytest.param(["--spacing_mm", "3"], "invalid choice: 3.0", id="spacing"),
        pytest.param(["--workers", "0"], "workers must be at least 1, got 0", id="workers"),
        pytest.param(["--scanner_signature", "1.2"], "got 1.2", id="signature"),
        pytest.param(["--ms", "1"], "'ms' must have a subject for each of 3 sections, got 1", id="too_few"),
        pytest.param(["--seed", "x"], "invalid int value: 'x'", id="not_a_number"),
    ],
)
def test_bad_arguments(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(["--output_dir", str(tmp_path / "cohort"), *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cohort").exists()


def test_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        main(["--output_dir", str(tmp_path / "file" / "cohort"), *SMALL])
    assert "file" in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "--scanner_signature" in capsys.readouterr().out
