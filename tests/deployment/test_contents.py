from __future__ import annotations

import json
import shutil

import pytest
from monai.bundle.scripts import _add_model_card_metadata

from bundle.deployment.contents import bundle_files, bundle_name, hub_card


def test_what_is_taken_and_what_is_left(bundle_dir):
    for name in (
        "tests/test_a.py",
        "data/volume.nii.gz",
        "output/a.txt",
        ".git/config",
        "notes.txt",
        "requirements.txt",
    ):
        (bundle_dir / name).parent.mkdir(exist_ok=True)
        (bundle_dir / name).write_text("x")
    (bundle_dir / "configs" / "__pycache__").mkdir()
    (bundle_dir / "configs" / "__pycache__" / "a.pyc").write_text("x")
    files = bundle_files(bundle_dir)
    assert list(files) == sorted(files)
    expected = {"LICENSE", "metadata.json", "requirements.txt", "bundle", "configs", "docs", "eval", "models"}
    assert {name.split("/")[0] for name in files} == expected
    assert {"models/model.pt", "configs/inference.yaml", "bundle/deployment/contents.py"} <= files.keys()
    assert not any("__pycache__" in name for name in files)


def test_links_are_followed_under_their_own_name(bundle_dir, tmp_path):
    weights = shutil.move(bundle_dir / "models" / "model.pt", tmp_path / "elsewhere.pt")
    (bundle_dir / "models" / "model.pt").symlink_to(weights)
    assert bundle_files(bundle_dir)["models/model.pt"].read_bytes() == weights.read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("models/sub-1_flair.nii.gz", r"models/sub-1_flair\.nii\.gz: a bundle must hold .*, got a \.gz file"),
        ("docs/.DS_Store", r"docs/\.DS_Store: a bundle must hold .*, got a hidden file"),
        ("configs/notes", "configs/notes: a bundle must hold .*, got a nameless file"),
    ],
)
def test_files_that_do_not_belong_are_named(name, message, bundle_dir):
    (bundle_dir / name).write_text("x")
    with pytest.raises(ValueError, match=message):
        bundle_files(bundle_dir)


def test_links_that_lead_nowhere_or_back_are_named_together(bundle_dir):
    (bundle_dir / "models" / "lost.pt").symlink_to("absent.pt")
    (bundle_dir / "docs" / "again").symlink_to(bundle_dir / "docs", target_is_directory=True)
    with pytest.raises(ValueError, match=r"lost\.pt: the link leads nowhere, to absent\.pt") as raised:
        bundle_files(bundle_dir)
    assert "docs/again: the link leads back" in str(raised.value) and len(str(raised.value).splitlines()) == 2


def test_hub_card_has_all_that_monai_would_write(bundle_dir, tmp_path):
    card = (bundle_dir / "docs" / "README.md").read_text()
    found = hub_card(bundle_dir)
    shutil.copy(bundle_dir / "LICENSE", tmp_path / "LICENSE")
    theirs = tmp_path / "README.md"
    theirs.write_text(card)
    _add_model_card_metadata(str(theirs))
    assert found.endswith("---\n" + card)
    front = theirs.read_text().removesuffix(card).strip().splitlines()
    assert len(front) > 5 and set(front) <= set(found.splitlines())
    assert "- anomaly-segmentation" in found.splitlines()


def test_a_card_without_tags(bundle_dir):
    (bundle_dir / "docs" / "README.md").write_text("# Title\n")
    with pytest.raises(ValueError, match=r"docs/README\.md: a model card must have a section '## Tags'"):
        hub_card(bundle_dir)


def test_name_and_version(bundle_dir):
    metadata = json.loads((bundle_dir / "metadata.json").read_text())
    assert bundle_name(bundle_dir) == ("brain_flair_anomaly_segmentation", metadata["version"])
    (bundle_dir / "configs" / "metadata.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"configs/metadata\.json: .* root of the bundle"):
        bundle_name(bundle_dir)
