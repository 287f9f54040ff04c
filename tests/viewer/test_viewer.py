"""Requests without a server: what is checked, refused and answered, and what leaves a plain run alone."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.anomaly import OUTSIDE_BRAIN, save_thresholds
from bundle.attributions import GradCAMAttribution, IntegratedGradientsAttribution
from bundle.conventions import join_prediction, split_prediction
from bundle.networks import AttributionNet, PatchGANClassifier
from bundle.viewer import (
    METHODS,
    AnswerRequestd,
    ExplanationInferer,
    PrepareRequestd,
    RequestToNatived,
    TakeExplanationd,
)
from bundle.viewer.refusal import refusals

AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
SHAPE = (6, 7, 8)


class HTTPException(Exception):  # noqa: N818  as Starlette names it
    def __init__(self, status_code, detail):
        super().__init__(status_code, detail)
        self.status_code, self.detail = status_code, detail


@pytest.fixture
def files(tmp_path):
    model_file, threshold_file = tmp_path / "model.pt", tmp_path / "threshold.json"
    model_file.write_bytes(b"weights")
    save_thresholds(threshold_file, model_file, {"attribution": 0.5})
    return {"model_file": model_file, "threshold_file": threshold_file}


@pytest.fixture
def image(tmp_path):
    array = np.random.default_rng(0).uniform(0, 100, SHAPE).astype(np.float32)
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(array, AFFINE), path)
    return str(path)


@pytest.fixture
def network():
    torch.manual_seed(0)
    classifier = PatchGANClassifier(spatial_dims=3, channels=[4, 8], strides=[2, 1, 1], norm="none")
    return AttributionNet(classifier=classifier).eval()


def request(image, **options):
    return {"image": image, "image_path": image, "model_filename": ["model.pt"], **options}


def test_a_good_request_passes_and_a_plain_item_is_not_looked_at(files, image):
    transform = PrepareRequestd(**files)
    good = request(image, attribution_method=list(METHODS), output=["anomaly mask"], threshold=0.4, preprocess=False)
    assert transform(good) == good
    plain = {"image": "missing.nii.gz", "threshold": -1.0}
    assert transform(plain) == plain


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"threshold": 51.0}, "got 51.0", id="threshold"),
        pytest.param({"min_lesion_ml": -1}, "got -1", id="lesion_size"),
        pytest.param({"attribution_method": "shap"}, "one of gradient, .* got 'shap'", id="method"),
        pytest.param({"output": ["all"]}, "one of anomaly mask, .* got 'all'", id="output"),
        pytest.param({"preprocess": "yes"}, "true or false, got 'yes'", id="preprocess"),
    ],
)
def test_wrong_options(files, image, options, match):
    with pytest.raises(ValueError, match=match):
        PrepareRequestd(**files)(request(image, **options))


def test_weights_without_thresholds(files, image):
    with pytest.raises(ValueError, match=r"must be model.pt, .* got 'other.pt'"):
        PrepareRequestd(**files)({**request(image), "model_filename": "other.pt"})


@pytest.mark.parametrize(
    ("array", "match"),
    [
        pytest.param(np.linspace(-1000, 40, 336).reshape(SHAPE), "got values down to -1000", id="ct"),
        pytest.param(np.arange(336).reshape(SHAPE) % 4, "got a label map of few values", id="labels"),
        pytest.param(np.zeros(SHAPE), "all voxels are 0", id="empty"),
        pytest.param(np.ones((*SHAPE, 2)), "got 2 channels", id="series"),
    ],
)
def test_images_that_are_no_flair(files, tmp_path, array, match):
    path = tmp_path / "folder" / "other.nii.gz"
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(array.astype(np.float32), AFFINE), path)
    with pytest.raises(ValueError, match=rf"^other.nii.gz: .*{match}"):
        PrepareRequestd(**files)(request(str(path)))


def test_images_that_are_not_there(files):
    with pytest.raises(ValueError, match=r"got an unknown id; GET /datastore/"):
        PrepareRequestd(**files)(request(""))
    with pytest.raises(FileNotFoundError, match=r"^gone.nii.gz: the file does not exist"):
        PrepareRequestd(**files)(request("/deep/gone.nii.gz"))


def test_a_server_answers_with_the_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "monailabel.app", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "starlette.exceptions", SimpleNamespace(HTTPException=HTTPException))
    with pytest.raises(HTTPException) as caught, refusals():
        raise ValueError("line one\n  line two")
    assert (caught.value.status_code, caught.value.detail) == (400, "line one line two")
    with pytest.raises(KeyError, match="ours"), refusals():
        raise KeyError("ours")


def test_without_a_server_the_error_itself_comes():
    with pytest.raises(ValueError, match=r"^wrong$"), refusals():
        raise ValueError("wrong")


def test_the_gradient_costs_one_pass_and_other_maps_come_beside_it(network):
    image = torch.randn(1, 1, 12, 13, 14, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        pred = network(image)
        torch.testing.assert_close(ExplanationInferer()(image, network), pred, rtol=0, atol=0)
        for name, method in {
            "integrated_gradients": IntegratedGradientsAttribution(),
            "grad_cam": GradCAMAttribution(),
        }.items():
            both = ExplanationInferer([name, "gradient"])(image, network)
            maps, logit = split_prediction(both)
            attribution, expected = split_prediction(pred)
            torch.testing.assert_close(logit, expected)
            item = TakeExplanationd("attribution")({"attribution": maps[0]})
            torch.testing.assert_close(item["attribution"], attribution[0])
            with torch.enable_grad():
                torch.testing.assert_close(item["explanation"], method(network, image)[0])
    item = TakeExplanationd("attribution")({"attribution": attribution[0]})
    assert item["explanation"] is not None and torch.equal(item["explanation"], item["attribution"])


def test_an_unknown_method_and_no_network():
    with pytest.raises(ValueError, match="one of gradient, integrated_gradients, grad_cam, got 'lrp'"):
        ExplanationInferer("lrp")
    pred = join_prediction(torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 1))
    with pytest.raises(ValueError, match="grad_cam needs a network of torch, got function"):
        ExplanationInferer("grad_cam")(torch.zeros(1), lambda image: pred)


@pytest.fixture
def item():
    score = torch.full((1, *SHAPE), OUTSIDE_BRAIN)
    score[0, 1:4] = torch.linspace(0, 1, 3 * 7 * 8).reshape(3, 7, 8)
    brain = MetaTensor((score > OUTSIDE_BRAIN).float(), affine=AFFINE)
    mask = MetaTensor((score >= 0.5).to(torch.uint8), affine=AFFINE)
    return {"image_path": "scan.nii.gz", "pred": mask, "attribution_map": score, "intensity": brain,
            "explanation": torch.ones(1, *SHAPE), "logit": torch.tensor([math.log(3.0)])}  # fmt: skip


def test_the_answer_has_mask_and_parameters(files, item):
    answer = AnswerRequestd(**files, threshold=0.5, min_lesion_ml=0.0, output=["anomaly mask", "attribution map"])(item)
    result = answer["result"]
    assert answer["pred"] is item["pred"] and result["output"] == "anomaly mask"
    assert result["probability"] == pytest.approx(0.75) and result["decision"] == "pathological"
    assert result["brain_ml"] == pytest.approx(168 * 24 / 1000)
    assert result["volume_ml"] == pytest.approx(84 * 24 / 1000) and result["threshold"] == 0.5


def test_the_answer_has_the_map_instead(files, item):
    answer = AnswerRequestd(**files, attribution_method="grad_cam", output="attribution map")(item)
    assert answer["result"]["attribution_method"] == "grad_cam" and answer["pred"].dtype == torch.float32
    np.testing.assert_array_equal(answer["pred"].affine, AFFINE)
    torch.testing.assert_close(torch.as_tensor(answer["pred"]), torch.as_tensor(item["intensity"]))
    assert answer["result"]["volume_ml"] == pytest.approx(84 * 24 / 1000), "the mask's"


def test_plain_items_get_no_answer(files, item):
    plain = {key: value for key, value in item.items() if key != "image_path"}
    assert AnswerRequestd(**files)(plain) == plain
    assert RequestToNatived("attribution")(plain) == plain
