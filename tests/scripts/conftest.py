"""One deployment of the shipped weights for all tests of what uses it."""

from __future__ import annotations

import pytest

from scripts import export


@pytest.fixture(scope="session")
def deployment_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployment") / "made"
    export.main(["--output_dir", str(folder)])
    return folder
