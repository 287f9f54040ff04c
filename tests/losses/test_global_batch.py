"""Two processes that share the batches of a training end with the parameters of one process that has them whole."""

from __future__ import annotations

import math
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from bundle.losses import AttributionConstraintLoss, global_batch
from bundle.losses.global_batch import global_mean, global_sum
from bundle.networks import AttributionNet, PatchGANClassifier
from tests.two_processes import call_in_two_processes

SPATIAL = (16, 18, 14)
LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 1])
STEPS = [[0, 1, 2, 4, 5], [3, 0, 1, 6, 4], [1, 3, 0, 5, 6], [2, 0, 3, 4, 5], [0, 3, 2, 6, 5]]
"""Images of each step, three of them healthy: by turns, one process has two of these and the other one."""

CASES = {
    "relative": {"loss": {"sharpness": 8.0}},
    "paper_units": {"loss": {"alpha": 1.0e3}},
    "supervised": {"loss": {"constraint": "supervised", "sharpness": 8.0}},
    "ross": {"loss": {"alpha": 10.0, "constraint": "ross"}},
    "erion": {"loss": {"alpha": 0.5, "constraint": "total_variation"}, "points": True},
    "unsup_tv": {"loss": {"sharpness": 8.0, "tv_weight": 0.1}},
    "integrated_gradients": {"loss": {"sharpness": 8.0}, "points": True},
    "autograd": {"loss": {"sharpness": 8.0}, "method": "autograd"},
    "group_norm": {"loss": {"sharpness": 8.0}, "norm": "group"},
    "one_process_without_healthy_images": {"loss": {"sharpness": 8.0}, "split": [slice(0, 3), slice(3, 5)]},
    "means_of_each_process": {"loss": {"sharpness": 8.0}, "local": True},
}
DTYPES = {torch.float32: 1e-6, torch.float64: 1e-10}


def images(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images, those of patients with a bright block, and their lesion maps; nobody annotated the last patient."""
    image = torch.randn(len(LABELS), 1, *SPATIAL, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lesion = torch.zeros_like(image)
    lesion[LABELS == 1, :, 3:6, 4:8, 2:7] = 1
    mask = lesion.clone()
    mask[-1] = torch.nan
    return (image + 2 * lesion).to(dtype), mask.to(dtype)


def point_of_path(image: torch.Tensor) -> torch.Tensor:
    """Take the point of the line from the null image that is the image's own: equal draws, however they are shared."""
    position = (1.0e3 * image.double().mean((1, 2, 3, 4), keepdim=True)).frac().abs()
    return position.to(image.dtype) * image


def train(case: str, dtype: torch.dtype, rank: int = 0, processes: int = 1) -> dict[str, object]:
    """Train for five steps on the batches, or on one process's part of them; return parameters and logged values."""
    settings = CASES[case]
    torch.manual_seed(0)
    classifier = PatchGANClassifier(
        channels=(6, 8),
        strides=(2, 1, 1),
        norm=settings.get("norm", "none"),
        intensity_knots=(-1.0, 0.0, 1.0, 2.0),
        intensity_pooling=2,
        initialisation="kaiming",
    )
    sampler = point_of_path if settings.get("points") else None
    network: torch.nn.Module = AttributionNet(classifier, settings.get("method", "auto"), sampler).to(dtype)
    parameters = list(network.parameters())
    if processes > 1:
        network = DistributedDataParallel(network)
    loss = AttributionConstraintLoss(**{"alpha": 1.0, **settings["loss"]})
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    image, mask = images(dtype)
    part = settings["split"][rank] if processes > 1 and "split" in settings else slice(rank, None, processes)
    logged = []
    for step in STEPS:
        own = step[part]
        label = LABELS[own]
        healthy_only = loss.tv_weight == 0 and settings["loss"].get("constraint", "") in ("", "ross")
        pred = network(image[own], *([(label == 0).nonzero().flatten()] if healthy_only else []))
        value = loss(pred, {"label": label, "mask": mask[own]})
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        logged.append([value.item(), *(part.item() for part in loss.parts.values())])
    return {"parameters": torch.cat([parameter.detach().flatten() for parameter in parameters]), "logged": logged}


def train_all(rank: int) -> dict[tuple[str, torch.dtype], dict[str, object]]:
    """Train every case as one of two processes."""
    found = {}
    for case, settings in CASES.items():
        alone = SimpleNamespace(get_world_size=lambda: 1) if settings.get("local") else global_batch.idist
        with mock.patch.object(global_batch, "idist", alone):
            found.update({(case, dtype): train(case, dtype, rank, processes=2) for dtype in DTYPES})
    return found


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    return call_in_two_processes(train_all, tmp_path_factory.mktemp("two_processes"))


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", [case for case in CASES if case != "means_of_each_process"])
def test_parameters_and_logged_values_are_those_of_one_process(two_processes, case, dtype):
    alone = train(case, dtype)
    first, second = (process[case, dtype] for process in two_processes)
    assert torch.equal(first["parameters"], second["parameters"])
    assert distance(first["parameters"], alone["parameters"]) < DTYPES[dtype]
    assert first["logged"] == second["logged"]
    torch.testing.assert_close(
        torch.tensor(first["logged"]), torch.tensor(alone["logged"]), rtol=10 * DTYPES[dtype], atol=DTYPES[dtype]
    )


@pytest.mark.parametrize("case", CASES)
def test_five_steps_move_the_parameters(case):
    torch.manual_seed(0)
    for dtype in DTYPES:
        with mock.patch(f"{__name__}.STEPS", []):
            start = train(case, dtype)["parameters"]
        assert distance(train(case, dtype)["parameters"], start) > 1e-2


def test_means_of_each_process_are_another_training(two_processes):
    case = ("means_of_each_process", torch.float64)
    assert distance(two_processes[0][case]["parameters"], train(*case)["parameters"]) > 1e-4


def test_alone_the_sum_and_the_mean_are_those_of_the_values():
    values = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    assert global_sum(values).item() == 9.0 and global_mean(values).item() == 3.0
    global_mean(values).backward()
    assert values.grad.tolist() == pytest.approx([1 / 3] * 3)


def test_mean_of_no_value():
    values = torch.zeros(0, 4, requires_grad=True)
    mean = global_mean(values)
    mean.backward()  # in the graph, even with nothing to average
    assert mean.item() == 0.0 and values.grad.shape == (0, 4)
    assert math.isnan(global_mean(values, if_none=math.nan).item())


@pytest.mark.parametrize("counted", [[[True], [False]], [[True, True], [False, False]]], ids=["images", "voxels"])
def test_values_that_do_not_count_are_left_out(counted):
    values = torch.tensor([[1.0, 5.0], [7.0, 8.0]], requires_grad=True)
    mean = global_mean(values, torch.tensor(counted))
    mean.backward()
    assert mean.item() == 3.0
    assert values.grad.tolist() == [[0.5, 0.5], [0.0, 0.0]]


def test_mean_of_none_that_counts():
    values = torch.tensor([[math.nan, 5.0]], requires_grad=True)
    mean = global_mean(values, torch.tensor([[False]]))
    mean.backward()
    assert mean.item() == 0.0 and values.grad.tolist() == [[0.0, 0.0]]
    assert math.isnan(global_mean(values, torch.tensor([[False]]), if_none=math.nan).item())
