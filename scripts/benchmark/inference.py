"""Time attribution maps at inference: the gradient against a forward pass, and IG and EG against their peers.

The gradient comes from the decoder, from automatic differentiation, or from Captum's Saliency. IG is Captum's
IntegratedGradients, in passes as large as the decoder's and with its default of a single one, or the decoder's. EG is
the mean over the network's maps at all points, or the same with the first layer taken once. Peers compute the same map;
the record holds the largest difference of their maps, relative to the largest value.
"""

from __future__ import annotations

import argparse
import json
from functools import partial

import torch
from captum.attr import Saliency

from bundle.attributions import ExpectedGradientsAttribution, IntegratedGradientsAttribution
from bundle.attributions.common import image_logit
from bundle.conventions import split_prediction
from bundle.data.files import write_text_atomically
from bundle.networks import AttributionNet
from scripts.benchmark import measuring

FORWARD = "forward pass"


def gradient_functions(network: AttributionNet, images: torch.Tensor) -> dict[str, measuring.Function]:
    """Make the computations of a gradient map that are compared with a forward pass."""
    by_autograd = AttributionNet(network.classifier, "autograd").eval()
    saliency = Saliency(partial(image_logit, network))
    return {
        FORWARD: lambda: network.classifier(images),
        "logit and map, decoder": lambda: split_prediction(network(images))[0],
        "logit and map, autograd.grad": lambda: split_prediction(by_autograd(images))[0],
        "map, Captum's Saliency": lambda: saliency.attribute(images.clone().requires_grad_(True), abs=False),
    }


def mean_over_points(
    network: AttributionNet, image: torch.Tensor, method: ExpectedGradientsAttribution
) -> torch.Tensor:
    """Average the network's maps over the draws of expected gradients, every point from the image on."""
    total = torch.zeros_like(image)
    draws = method.draws()
    for start in range(0, len(draws), method.internal_batch_size):
        points = []
        for draw in draws[start : start + method.internal_batch_size]:
            reference = torch.zeros_like(image[0]) if draw.reference is None else method.references[draw.reference]
            points.append(reference + draw.position * (image[0] - reference))
        total += split_prediction(network(torch.stack(points)))[0].sum(0, keepdim=True)
    return total / len(draws)


def path_functions(args: argparse.Namespace, network: AttributionNet) -> dict[str, dict[str, measuring.Function]]:
    """Make the computations of IG and EG of one image, each with its peers first and ours last."""
    references = measuring.draw_images(args)
    image = references[:1].roll(1, -1)
    eg = ExpectedGradientsAttribution(references[1:], args.steps, internal_batch_size=args.internal_batch_size)
    integrate = partial(IntegratedGradientsAttribution, args.steps)
    captum = integrate(internal_batch_size=args.internal_batch_size, method="captum")
    in_one_pass = integrate(internal_batch_size=args.steps, method="captum")
    ours = integrate(internal_batch_size=args.internal_batch_size, method="auto")
    return {
        "IG": {
            "IG, Captum": lambda: captum(network, image),
            "IG, Captum's default, all points in one pass": lambda: in_one_pass(network, image),
            "IG, decoder": lambda: ours(network, image),
        },
        "EG": {
            "EG, all points from the image": lambda: mean_over_points(network, image, eg),
            "EG, decoder": lambda: eg(network, image),
        },
    }


def difference(functions: dict[str, measuring.Function], peer: str) -> float:
    """Return the largest difference of the maps to those of the peer, relative to its largest value."""
    maps = {name: function().detach() for name, function in functions.items()}
    return max(float((found - maps[peer]).abs().max() / maps[peer].abs().max()) for found in maps.values())


def measure(args: argparse.Namespace) -> measuring.Record:
    """Run all comparisons and return the record."""
    network = AttributionNet(measuring.make_classifier(args)).eval().requires_grad_(False)
    gradients = gradient_functions(network, measuring.draw_images(args))
    with torch.no_grad():
        maps = {name: function for name, function in gradients.items() if name != FORWARD}
        record = measuring.describe(args)
        record["gradient"] = measuring.compare(gradients, FORWARD, args.repeats, args.device)
        record["gradient_difference"] = difference(maps, "map, Captum's Saliency")
        for name, functions in path_functions(args, network).items():
            peer, *_, ours = functions
            # The peer's time in those of ours: how many times as fast.
            record[name] = measuring.compare(functions, ours, args.path_repeats, args.device)
            record[f"{name}_difference"] = difference(functions, peer)
    return record


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run and print."""
    parser = measuring.make_parser("inference", __doc__)
    parser.add_argument("--steps", type=int, default=50, help="points of IG and EG; default: %(default)s")
    parser.add_argument("--internal_batch_size", type=int, default=8, help="points in a pass; default: %(default)s")
    parser.add_argument("--path_repeats", type=int, default=3, help="of IG and EG; default: %(default)s")
    args = parser.parse_args(arguments)
    try:
        measuring.check(args)
        record = measure(args)
    except ValueError as error:
        parser.error(str(error))
    write_text_atomically(args.output, json.dumps(record, indent=4) + "\n")
    lines = [measuring.headline(record)]
    for key, reference in (("gradient", FORWARD), ("IG", "IG, decoder"), ("EG", "EG, decoder")):
        lines += ["", measuring.table(record[key], reference)]
        lines += ["", f"largest relative difference of the maps {record[f'{key}_difference']:.1e}"]
    print("\n".join([*lines, f"written to {args.output}"]))


if __name__ == "__main__":
    main()
