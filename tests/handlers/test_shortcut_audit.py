"""The audit on linear networks, whose logit falls by what is taken away where they look, and by nothing elsewhere."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.anomaly import save_thresholds
from bundle.conventions import join_prediction
from bundle.handlers.shortcut_audit import ShortcutAuditHandler

SHAPE = (24, 20, 16)
AFFINE = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
CENTRE = (7, 9, 8)


class Linear(torch.nn.Module):
    """F(x) is the sum of the voxels in a region."""

    def __init__(self, region):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.as_tensor(region, dtype=torch.float32)[None, None])

    def forward(self, x):
        logit = (x * self.weight).flatten(1).sum(1, keepdim=True)
        return join_prediction(self.weight.expand_as(x), logit)


def ball(centre=CENTRE, radius=3.0, shape=SHAPE):
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"))
    return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) < radius**2


def item(network, subject="a", condition="tumour", *, called=None, annotated=True, brain=None):
    """Build the item of a patient whose lesion is a ball of brightness 4 in a brain of brightness 0.5."""
    brain = np.ones(SHAPE, bool) if brain is None else brain
    image = torch.as_tensor(np.where(brain, 0.5 + 3.5 * ball(), 0), dtype=torch.float32)[None]
    logit = network(image[None])[0, -1].flatten()[:1].detach()
    made = {
        "subject": subject,
        "condition": condition,
        "label": int(condition != "healthy"),
        "image": MetaTensor(image, affine=AFFINE),
        "logit": logit,
        "attribution_mask": MetaTensor(torch.as_tensor(ball() if called is None else called)[None], affine=AFFINE),
    }
    if annotated:
        made["mask"] = MetaTensor(torch.as_tensor(ball(radius=2.0), dtype=torch.float32)[None], affine=AFFINE)
    return made


@pytest.fixture
def make(tmp_path):
    """Make a handler; thresholds are written for a decision logit."""

    def make(network, decision_logit=-1.0, **options):
        (tmp_path / "model.pt").write_bytes(b"weights")
        files = (tmp_path / "threshold.json", tmp_path / "model.pt")
        save_thresholds(*files, {"attribution": 0.5}, decision_logit=decision_logit)
        return ShortcutAuditHandler(network, tmp_path / "out", *files, draws=4, source="toy", **options)

    return make


def run(handler, items):
    handler.started(None)
    for found in items:
        handler(SimpleNamespace(state=SimpleNamespace(batch=[found], output=[{}])))
    handler.completed(None)
    return json.loads((handler.output_dir / "audit.json").read_text())


def test_a_network_that_sees_the_lesion_alone(make):
    network = Linear(ball()).train()
    record = run(make(network), [item(network, name) for name in "ab"])
    assert network.training
    for subject in record["subjects"]:
        assert subject["anomaly_fall"] == pytest.approx(3.5 * ball().sum(), rel=1e-5)  # its surroundings have 0.5
        assert subject["lesion_fall"] == pytest.approx(3.5 * ball(radius=2.0).sum(), rel=1e-5)
        assert subject["control_falls"] == [0.0] * 4
        assert subject["anomaly_ml"] == pytest.approx(0.008 * ball().sum())
        assert subject["lesion_ml"] == pytest.approx(0.008 * ball(radius=2.0).sum())
    (row,) = record["summary"]
    assert (row["exceeds_all"], row["anomaly_turned"], row["control_turned"]) == (1.0, 0.0, 0.0)
    assert (record["called"], record["pathological"], record["left_out"], record["source"]) == (2, 2, [], "toy")


def test_a_network_that_sees_a_mark_elsewhere(make):
    network = Linear(ball((18, 3, 3), 1.5))  # of the scanner; no tissue is bright there
    record = run(make(network), [item(network, name) for name in "ab"])
    (row,) = record["summary"]
    assert (row["anomaly_fall"], row["lesion_fall"], row["exceeds_all"]) == (0.0, 0.0, 0.0)


def test_turned_decisions(make):
    network = Linear(ball())
    full = float(item(network)["logit"])
    (row,) = run(make(network, decision_logit=full - 1.0), [item(network)])["summary"]
    assert (row["anomaly_turned"], row["control_turned"], row["lesion_turned"]) == (1.0, 0.0, 1.0)
    assert row["test"]["reason"] == "a test needs at least 2 units, got 1"


def test_masks_on_a_grid_of_their_own(make):
    network = Linear(ball())
    plain = run(make(network), [item(network)])
    fine = item(network)
    affine = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0]))
    affine[:3, 3] = -0.5  # voxels of 1 mm whose pairs fill those of 2 mm
    for key in ("attribution_mask", "mask"):
        mask = torch.as_tensor(fine[key])[0].numpy()
        doubled = mask.repeat(2, 0).repeat(2, 1).repeat(2, 2)
        fine[key] = MetaTensor(torch.as_tensor(doubled)[None], affine=affine)
    assert run(make(network), [fine])["summary"][0] == plain["summary"][0]


def test_draws_do_not_depend_on_the_subjects_before(make):
    noise = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    network = Linear(np.ones(SHAPE))
    first, second = ({**item(network, name), "image": MetaTensor(noise, affine=AFFINE)} for name in "ab")
    both = run(make(network), [first, second])["subjects"]
    (alone,) = run(make(network), [second])["subjects"]
    (other,) = run(make(network, seed=1), [second])["subjects"]
    assert alone == both[1] and alone["control_falls"] != other["control_falls"]


def test_who_is_not_audited(make, caplog):
    network = Linear(ball())
    subjects = [
        item(network, "fine"),
        item(network, "not_annotated", annotated=False),
        item(network, "nothing_called", called=np.zeros(SHAPE, bool)),
        item(network, "all_called", called=np.ones(SHAPE, bool)),
        {**item(network, "not_called"), "logit": torch.tensor([-2.0])},
        item(network, "healthy", "healthy"),
    ]
    record = run(make(network), subjects)
    assert (record["pathological"], record["called"]) == (5, 4)
    assert [(row["subject"], row["lesion_fall"] is None) for row in record["subjects"]] == [
        ("fine", False),
        ("not_annotated", True),
    ]
    assert [(row["subject"], row["reason"]) for row in record["left_out"]] == [
        ("nothing_called", "control regions need an anomaly, got 0 voxels: nothing was called"),
        ("all_called", "no room for control regions: the anomaly has 7680 voxels, 0 others are free"),
    ]
    assert "all_called (tumour) is left out of the audit: no room" in caplog.text


def test_table_of_regions(make):
    network = Linear(ball())
    handler = make(network)
    run(handler, [item(network)])
    with (handler.output_dir / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["region"] for row in rows] == ["anomaly", *(f"control {number}" for number in range(1, 5)), "lesion"]
    assert all(float(row["logit"]) - float(row["filled_logit"]) == pytest.approx(float(row["fall"])) for row in rows)


def test_no_patient_is_called(make):
    network = Linear(ball())
    with pytest.raises(ValueError, match=r"got 0 of 1 above the logit 1e\+06"):
        run(make(network, 1.0e6), [item(network), item(network, "b", "healthy")])


def test_no_patient_can_be_filled(make):
    network = Linear(ball())
    handler = make(network)
    with pytest.raises(ValueError, match=r"got 0 of 1 called pathological \(a: no room for control regions"):
        run(handler, [item(network, called=np.ones(SHAPE, bool))])
    assert not handler.output_dir.exists()


def test_thresholds_of_other_weights(make, tmp_path):
    network = Linear(ball())
    handler = make(network)
    (tmp_path / "model.pt").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"threshold\.json was calibrated for other weights than .*model\.pt"):
        handler.started(None)


@pytest.mark.parametrize(("draws", "batch_size"), [(0, 4), (3, 0)])
def test_numbers_below_one(draws, batch_size):
    with pytest.raises(ValueError, match=f"must be at least 1, got {draws} and {batch_size}"):
        ShortcutAuditHandler(torch.nn.Identity(), "out", "threshold.json", draws=draws, batch_size=batch_size)
