"""The program of docs/programmatic.md runs, and finds what `monai.bundle run` finds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "programmatic.md").read_text()


@pytest.fixture
def bundle_dir(tmp_path):
    """Make a bundle's root whose results do not fall into the repository."""
    folder = tmp_path / "somewhere" / "bundle_of_a_test"
    folder.mkdir(parents=True)
    for name in ("bundle", "configs", "models", "scripts"):
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    return folder


def _python(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    run = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_program_of_the_page(bundle_dir):
    (command,) = re.findall(r"```bash\npython (.+)\n```", PAGE)
    _python(bundle_dir, *command.split())
    program = "\n".join(re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL))
    printed = _python(bundle_dir, "-c", program)
    results = bundle_dir / "output" / "programmatic" / "sample_tumour_flair"
    mask = nib.load(results / "sample_tumour_flair_anomaly.nii.gz")
    assert re.search(r"^map \(1, 1, 91, 109, 91\), logit \d+\.\d\d$", printed, re.MULTILINE)
    assert "['sample_tumour_flair_result.json']" in printed
    shape, voxels = re.search(r"^mask \((.+)\), (\d+) voxels", printed, re.MULTILINE).groups()
    assert tuple(map(int, shape.split(", "))) == (1, *mask.shape)
    assert int(voxels) == int(np.asarray(mask.dataobj).sum()) > 0
