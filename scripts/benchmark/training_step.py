"""Time a training step with the constraint against a plain classification step of the same network.

Peers: the decoder at the image (G) or at a random point (EG; IG and IEG cost the same), for all images or for the
healthy half that the unsupervised constraint needs; the same with activation checkpointing; automatic differentiation
of the same forward pass (autograd.grad with create_graph); and a second forward pass for the attribution with double
backpropagation, as in the code that the paper's authors published. The steps take turns, so that other load on the
machine meets all of them; ratios are those of the same turn. Forward, loss, backward and Adam count; loading data does
not.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from bundle.attributions import PathSampler
from bundle.conventions import HEALTHY, join_prediction
from bundle.data.files import write_text_atomically
from bundle.losses import AttributionConstraintLoss
from bundle.losses.functional import classification_loss
from bundle.networks import AttributionNet
from scripts.benchmark import measuring

PLAIN = "plain step"
PRECISIONS = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def second_forward(classifier: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Classify, and differentiate a forward pass of its own for the attribution."""
    logit = classifier(images).flatten(1).mean(1, keepdim=True)
    point = images.detach().clone().requires_grad_(True)
    (attribution,) = torch.autograd.grad(classifier(point).flatten(1).mean(1).sum(), point, create_graph=True)
    return join_prediction(attribution, logit)


def make_steps(args: argparse.Namespace) -> dict[str, measuring.Function]:
    """Make the training steps that are compared, all of the same classifier."""
    classifier = measuring.make_classifier(args).train()
    images = measuring.draw_images(args)
    label = torch.arange(args.batch_size, device=args.device) % 2
    healthy = (label == HEALTHY).nonzero().flatten()
    # Weights stay as they are: steps are compared at the same ones, and once logits saturate, gradients are denormal
    # numbers, which slow a processor down (docs/performance.md).
    optimizer = torch.optim.Adam(classifier.parameters(), lr=0.0, fused=True)

    def autocast() -> AbstractContextManager[Any]:
        dtype = PRECISIONS[args.amp]
        return nullcontext() if dtype is None else torch.autocast(torch.device(args.device).type, dtype=dtype)

    def prepared(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return torch.compile(function, disable=not args.compile)

    def step(loss: Callable[[], torch.Tensor]) -> measuring.Function:
        def run() -> None:
            optimizer.zero_grad()
            with autocast():
                value = loss()
            value.backward()
            optimizer.step()

        return run

    classified, constrained = prepared(classification_loss), prepared(AttributionConstraintLoss(args.alpha))
    plain, g = prepared(classifier), prepared(AttributionNet(classifier))
    eg = prepared(AttributionNet(classifier, sampler=PathSampler(0.0)))
    same_forward = AttributionNet(classifier, "autograd")
    eg_autograd = AttributionNet(classifier, "autograd", PathSampler(0.0))
    checkpointed = copy.copy(classifier)  # with the same weights
    checkpointed.use_checkpoint = not classifier.couples_images  # batch normalisation refuses it
    g_checkpointed = prepared(AttributionNet(checkpointed))
    return {
        PLAIN: step(lambda: classified(plain(images).float().flatten(1).mean(1, keepdim=True), label)),
        "G, healthy half": step(lambda: constrained(g(images, healthy), label)),
        "G, whole batch": step(lambda: constrained(g(images), label)),
        "G, healthy half, checkpointing": step(lambda: constrained(g_checkpointed(images, healthy), label)),
        "G, whole batch, checkpointing": step(lambda: constrained(g_checkpointed(images), label)),
        "EG, healthy half": step(lambda: constrained(eg(images, healthy), label)),
        "EG, whole batch": step(lambda: constrained(eg(images), label)),
        "G, autograd.grad on the same forward": step(lambda: constrained(same_forward(images), label)),
        "G, forward of its own, double backpropagation": step(
            lambda: constrained(second_forward(classifier, images), label)
        ),
        "EG, double backpropagation": step(lambda: constrained(eg_autograd(images), label)),
    }


def without_refused(functions: dict[str, measuring.Function]) -> tuple[dict[str, measuring.Function], list[str]]:
    """Run every step once; leave out those that refuse their input, and say why."""
    left_out = []
    for name, function in list(functions.items()):
        try:
            function()
        except ValueError as error:
            del functions[name]
            left_out.append(f"{name}: {error}")
    return functions, left_out


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a training step."""
    parser.add_argument("--alpha", type=float, default=1e8, help="weight of the constraint; default: %(default)s")
    parser.add_argument("--amp", choices=PRECISIONS, default="none", help="mixed precision; default: %(default)s")
    parser.add_argument("--compile", action="store_true", help="torch.compile of networks and losses")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print."""
    parser = measuring.make_parser("training_step", __doc__)
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        measuring.check(args)
    except ValueError as error:
        parser.error(str(error))
    steps, left_out = without_refused(make_steps(args))
    record = {**measuring.describe(args), "rows": measuring.compare(steps, PLAIN, args.repeats, args.device)}
    record["left_out"] = left_out
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    print("\n".join([measuring.headline(record), "", measuring.table(record["rows"], PLAIN)]))
    print("\n".join([*(f"left out: {reason}" for reason in left_out), f"written to {args.output}"]))


if __name__ == "__main__":
    main()
