from __future__ import annotations

import pytest

from bundle.data import load_datalist
from scripts.make_datalist import main


def test_folders_become_conditions(tmp_path, capsys):
    for name in ("tumour/a_flair", "tumour/a_seg", "ms/b_flair", "ms/b_lesion", "ms/c_flair", "healthy/d_flair"):
        path = tmp_path / f"{name}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    output = tmp_path / "lists" / "datalist.json"
    main([*(str(tmp_path / name) for name in ("tumour", "ms", "healthy")), "--output", str(output)])
    entries = load_datalist(output, "test")
    assert [(entry["subject"], entry["condition"], entry["label"], "mask" in entry) for entry in entries] == [
        ("a", "tumour", 1, True),
        ("b", "ms", 1, True),
        ("c", "ms", 1, False),
        ("d", "healthy", 0, False),
    ]
    assert "4 subjects, 2 with a mask" in capsys.readouterr().out


def test_a_folder_without_images(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\*_flair\.nii\.gz, got none"):
        main([str(tmp_path), "--output", str(tmp_path / "datalist.json")])
    assert not (tmp_path / "datalist.json").exists()
