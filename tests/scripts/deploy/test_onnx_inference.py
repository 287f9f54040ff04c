"""The program without PyTorch against configs/inference.yaml, and what it says to input that it cannot use."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from scipy.special import expit

from bundle.data import grid
from scripts import make_sample
from scripts.deploy import onnx_inference
from tests.warm_process import run_module

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "scripts" / "deploy" / "onnx_inference.py"
WITHOUT_PYTORCH = """
import runpy, sys
for name in ("torch", "monai", "bundle", "scripts"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """A sample of its own grid; the same turned and with a trailing axis; and one on the model's grid."""
    folder = tmp_path_factory.mktemp("volumes")
    for name, spacing in (("own", "3"), ("mni", "2")):
        make_sample.main(["--output_dir", str(folder / name), "--spacing_mm", spacing])
        (folder / name / "images" / "sample_tumour_flair.nii.gz").rename(folder / f"{name}.nii.gz")
        shutil.rmtree(folder / name)
    image = nib.load(folder / "own.nii.gz")
    turned = image.as_reoriented([[2, 1], [0, -1], [1, 1]])
    affine = turned.affine @ nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.05, 0.0), [0, 0, 0])
    nib.save(nib.Nifti1Image(np.asarray(turned.dataobj)[..., None], affine), folder / "oblique.nii.gz")
    return folder


@pytest.fixture(scope="module")
def expected(volumes, tmp_path_factory):
    """Results of the bundle's own workflow."""
    folder = tmp_path_factory.mktemp("expected")
    arguments = ["run", "--config_file", "configs/inference.yaml", "--dataset_dir", str(volumes)]
    arguments += ["--output_dir", str(folder), "--overlay", "False", "--device", "cpu"]
    run = run_module("monai.bundle", arguments)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def found(volumes, deployment_dir, tmp_path_factory):
    """Results of the program alone, copied elsewhere, in a process that cannot import PyTorch, MONAI or the bundle."""
    folder = tmp_path_factory.mktemp("found")
    shutil.copy(PROGRAM, folder)
    command = [sys.executable, "-c", WITHOUT_PYTORCH, PROGRAM.name, *map(str, sorted(volumes.iterdir()))]
    command += ["--deployment_dir", str(deployment_dir), "--output_dir", str(folder / "out")]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(" pathological (probability 1.000), ") == 3, run.stdout
    return folder / "out"


@pytest.mark.parametrize("name", ["own", "oblique", "mni"])
def test_results_are_those_of_the_workflow(expected, found, volumes, name):
    masks = [nib.load(folder / name / f"{name}_anomaly.nii.gz") for folder in (expected, found)]
    np.testing.assert_array_equal(masks[1].dataobj, masks[0].dataobj)
    assert masks[1].header == masks[0].header and masks[1].shape == nib.load(volumes / f"{name}.nii.gz").shape
    results = [json.loads((folder / name / f"{name}_result.json").read_text()) for folder in (expected, found)]
    assert results[1].pop("name") == "brain_flair_anomaly_segmentation"
    numbers = [{key: value for key, value in result.items() if isinstance(value, float)} for result in results]
    assert numbers[0]["volume_ml"] > 10
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-5)
    assert {**results[1], **numbers[0]} == results[0]


def test_input_weighted_score_and_scaled_probability(deployment_dir, volumes):
    parser = ConfigParser()
    parser.read_config(ROOT / "configs" / "inference.yaml")
    parser["score"] = "input_weighted"
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(ROOT / "models" / "model.pt", weights_only=True))
    item = parser.get_parsed_content("preprocessing")({"image": str(volumes / "own.nii.gz")})
    with torch.no_grad():
        item["pred"] = MetaTensor(network(item["image"].as_tensor()[None])[0])
    item = parser.get_parsed_content("postprocessing")(item)

    record, session = onnx_inference.load_deployment(deployment_dir)
    thresholds = json.loads((ROOT / "models" / "threshold.json").read_text())["thresholds"]
    record |= {"score": "input_weighted", "threshold": thresholds["input_weighted"]}
    record["probability_scaling"] = {"slope": 0.01, "intercept": -1.0}
    mask, result = onnx_inference.segment(*onnx_inference.read_volume(volumes / "own.nii.gz"), record, session)
    np.testing.assert_array_equal(mask, item["pred"][0] != 0)
    assert result["probability_calibrated"] == pytest.approx(expit(0.01 * float(item["logit"]) - 1.0))


def test_constants_are_those_of_the_bundle():
    names = ["AFFINE_TOLERANCE_MM", "REGISTERED_TOLERANCE_MM", "BRAIN_TOLERANCE_MM", "FWHM_PER_SIGMA"]
    assert [getattr(onnx_inference, name) for name in names] == [getattr(grid, f"_{name}") for name in names]


def write_odd_image(path, kind):
    """Write a file that the program has to refuse."""
    voxels, affine = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32), np.eye(4)
    if kind == "channels":
        voxels = np.stack([voxels, voxels], axis=-1)
    if kind == "nan":
        voxels[1, 2, 3] = np.nan
    if kind in ("zero", "constant"):
        voxels[:] = kind == "constant"
    if kind == "flat":
        affine = np.diag([1.0, 1.0, 0.0, 1.0])
    image = nib.Nifti1Image(voxels, None if kind == "flat" else affine)
    if kind == "flat":
        image.header.set_sform(affine, code=1)
    if kind == "header":
        image.header["pixdim"][1] = 2.0
    if kind == "colour":
        image = nib.Nifti1Image(np.zeros((6, 7, 8), dtype=[(name, "u1") for name in "RGB"]), affine)
    nib.save(image, path)
    if kind == "text":
        path.write_bytes(b"no image")
    if kind == "missing":
        path.unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "missing.nii: no such file; check the path"),
        ("text", "text.nii: not a readable NIfTI file"),
        ("channels", "channels.nii: an image must have three axes and one channel, got shape (6, 7, 8, 2)"),
        ("flat", "flat.nii: the header must give voxels three extents, got the affine [[1.0, 0.0, 0.0, 0.0]"),
        ("header", "header.nii: affine and pixdim must agree, got [1. 1. 1.] and [2. 1. 1.] mm"),
        ("colour", "colour.nii: voxels must be real numbers, got [('R', 'u1'), ('G', 'u1'), ('B', 'u1')]"),
        ("nan", "nan.nii: voxels must be finite, got 1 NaN or infinite"),
        ("zero", "zero.nii: an image must have contrast, all voxels are 0"),
        ("constant", "constant.nii: an image must have contrast, all voxels are 1"),
    ],
)
def test_what_is_wrong_with_an_image_is_named_in_one_line(kind, message, tmp_path, deployment_dir, capsys):
    write_odd_image(tmp_path / f"{kind}.nii", kind)
    arguments = [str(tmp_path / f"{kind}.nii"), "--deployment_dir", str(deployment_dir)]
    with pytest.raises(SystemExit) as raised:
        onnx_inference.main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert raised.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / "out").exists()


def test_a_bad_image_does_not_keep_others_from_their_results(tmp_path, deployment_dir, volumes, capsys):
    arguments = [str(tmp_path / "none.nii"), str(volumes / "own.nii.gz"), "--deployment_dir", str(deployment_dir)]
    with pytest.raises(SystemExit) as raised:
        onnx_inference.main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert raised.value.code == 1 and "none.nii: no such file" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out" / "own").iterdir()) == [
        "own_anomaly.nii.gz",
        "own_result.json",
    ]


def test_an_image_that_is_no_brain_is_remarked_on(tmp_path, deployment_dir, capsys):
    nib.save(
        nib.Nifti1Image(np.random.default_rng(0).random((20, 20, 20)).astype(np.float32), np.diag([8, 8, 8, 1.0])),
        tmp_path / "block.nii",
    )
    arguments = [str(tmp_path / "block.nii"), "--deployment_dir", str(deployment_dir)]
    with pytest.raises(SystemExit):
        onnx_inference.main([*arguments, "--output_dir", str(tmp_path / "out")])
    assert "block.nii: 4096 ml of the image are not zero, more than a brain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param("no_record", "deployment.json: no such file", id="no_record"),
        pytest.param("no_network", "model.onnx: no such file", id="no_network"),
        pytest.param("half", "deployment.json: not a deployment record", id="half_a_record"),
        pytest.param("{}", "not a deployment record (KeyError('format'))", id="no_format"),
        pytest.param('{"format": 2, "files": {"model.onnx": ""}}', "must be 1, got 2", id="other_format"),
        pytest.param("other", "model.onnx: the network must be that of deployment.json (sha256 ", id="other_network"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_named_in_one_line(damage, message, tmp_path, deployment_dir):
    folder = tmp_path / "deployment"
    folder.mkdir()
    shutil.copy(deployment_dir / "model.onnx", folder)
    shutil.copy(deployment_dir / "deployment.json", folder)
    if damage.startswith("no_"):
        (folder / ("deployment.json" if damage == "no_record" else "model.onnx")).unlink()
    elif damage == "other":
        with (folder / "model.onnx").open("ab") as file:
            file.write(b"\0")
    else:
        (folder / "deployment.json").write_text(damage)
    with pytest.raises(SystemExit) as raised:
        onnx_inference.main(["image.nii", "--deployment_dir", str(folder), "--output_dir", str(tmp_path / "out")])
    assert message in str(raised.value) and "\n" not in str(raised.value)
