"""The package as it is made, unpacked and tried: `python -m scripts.package` and the Model Zoo's checks in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_package_works_where_it_is_unpacked(tmp_path):
    command = [sys.executable, "-m", "scripts.package", "--output_dir", str(tmp_path / "dist")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    passed = ["scripts.check_zoo", "scripts.make_sample", "monai.bundle"]
    assert run.stderr.splitlines() == [
        *(f"{module}: passed in the unpacked package" for module in passed),
        "inference in the unpacked package: the sample with a tumour is called pathological",
    ]
    (archive,) = (tmp_path / "dist").iterdir()
    assert run.stdout.startswith(str(archive))
    with zipfile.ZipFile(archive) as file:
        folders = {name.split("/")[1] for name in file.namelist()}
    assert "models" in folders and not folders & {"tests", "data", "output", "runs", ".git", "Makefile"}
