from __future__ import annotations

import shutil
import zipfile

import pytest
import torch
from monai.apps.utils import extractall
from monai.bundle import load_bundle_config

from bundle.deployment.contents import bundle_files, hub_card
from bundle.deployment.package import write_package
from bundle.deployment.unpacked import verify_package, write_verified_package

FOLDER = "brain_flair_anomaly_segmentation"


def test_the_archive_holds_the_bundle_and_a_card_for_the_hub(bundle_dir, tmp_path):
    archive = write_package(bundle_dir, tmp_path / "new" / "dist")
    assert archive == tmp_path / "new" / "dist" / f"{FOLDER}_v0.1.0.zip"
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    extractall(filepath=str(archive), output_dir=str(tmp_path / "out"), has_base=True)
    unpacked = tmp_path / "out" / FOLDER
    assert not any(path.is_symlink() for path in unpacked.rglob("*"))
    assert bundle_files(unpacked).keys() == bundle_files(bundle_dir).keys()
    for name, path in bundle_files(bundle_dir).items():
        assert (unpacked / name).read_bytes() == path.read_bytes()
    assert (unpacked / "README.md").read_text() == hub_card(bundle_dir)
    assert load_bundle_config(str(unpacked), "inference.yaml")["_meta_::name"] == FOLDER


def test_the_same_tree_gives_the_same_bytes(bundle_dir, tmp_path):
    first = write_package(bundle_dir, tmp_path / "first").read_bytes()
    copy = shutil.copytree(bundle_dir, tmp_path / "copy", copy_function=shutil.copyfile)  # other times and rights
    (copy / "models" / "model.pt").chmod(0o600)
    assert write_package(copy, tmp_path / "second").read_bytes() == first
    (copy / "docs" / "README.md").write_text((copy / "docs" / "README.md").read_text() + "\n")
    assert write_package(copy, tmp_path / "third").read_bytes() != first


def test_weights_are_left_out_when_they_can_be_downloaded(bundle_dir, tmp_path):
    archive = write_package(bundle_dir, tmp_path, "https://example.org/model.pt")
    with zipfile.ZipFile(archive) as file:
        assert f"{FOLDER}/models/model.pt" not in file.namelist()
        listed = file.read(f"{FOLDER}/large_files.yml").decode()
    assert archive.name == f"{FOLDER}_v0.1.0_without_weights.zip" and '"https://example.org/model.pt"' in listed


def _other_weights(root):
    path = root / "models" / "model.pt"
    torch.save({key: 2 * value for key, value in torch.load(path, weights_only=True).items()}, path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "models" / "model.pt").unlink(), r"models/model\.pt: the weights do not exist"),
        (lambda root: (root / "models" / "threshold.json").unlink(), r"models/threshold\.json"),
        (_other_weights, r"threshold\.json was calibrated for other weights"),
        (lambda root: (root / "models" / "a.npz").write_text("x"), r"models/a\.npz: a bundle must hold"),
    ],
    ids=["no_weights", "no_threshold", "threshold_of_another_model", "forbidden_file"],
)
def test_a_bundle_that_cannot_be_packed_leaves_nothing(spoil, message, bundle_dir, tmp_path):
    spoil(bundle_dir)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        write_package(bundle_dir, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_an_output_folder_that_is_a_file(bundle_dir):
    with pytest.raises(ValueError, match=r"the output folder cannot be made, .*LICENSE is a file"):
        write_package(bundle_dir, bundle_dir / "LICENSE" / "dist")
    with pytest.raises(ValueError, match=r"the output folder cannot be made, .*LICENSE is a file"):
        write_verified_package(bundle_dir, bundle_dir / "LICENSE" / "dist")


def test_a_package_that_fails_gets_no_name(bundle_dir, tmp_path):
    """The bundle of the fixture has no scripts, so what is run there cannot be taken from the repository."""
    with pytest.raises(ValueError, match=r"scripts\.check_zoo fails in the unpacked package, exit status 1") as raised:
        write_verified_package(bundle_dir, tmp_path / "dist")
    assert "No module named" in str(raised.value)
    assert list((tmp_path / "dist").iterdir()) == []


def test_a_package_without_a_result(bundle_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("bundle.deployment.unpacked._run", lambda *_: None)
    archive = write_package(bundle_dir, tmp_path)
    with pytest.raises(ValueError, match=r"v0\.1\.0\.zip: inference in the unpacked package must write .*overlay\.png"):
        verify_package(archive)
