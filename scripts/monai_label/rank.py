"""Rank the unlabelled images of a MONAI Label server by how close the decision is, the closest first.

MONAI Label's monaibundle app offers two strategies, random and first, and no bundle can add one; this is active
learning from outside. Label the images at the top first: the network is least sure of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import requests

from scripts.monai_label.client import Client


def distances(client: Client) -> tuple[list[tuple[float, str]], dict[str, str]]:
    """Ask for every unlabelled image.

    Args:
        client: the server.

    Returns:
        Distance of the image's logit from the decision's, and its name, in rising order; and why others were refused.
    """
    ranked, refused = [], {}
    for image in client.unlabelled():
        answer = client.infer(image)
        if answer.status == 200:
            ranked.append((abs(answer.params["logit"] - answer.params["decision_logit"]), image))
        else:
            refused[image] = answer.reason
    return sorted(ranked), refused


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and print the ranking."""
    parser = argparse.ArgumentParser(prog="python -m scripts.monai_label.rank", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the server (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        ranked, refused = distances(Client(args.url))
    except requests.RequestException as error:
        raise SystemExit(
            f"error: {args.url}: no MONAI Label server answers ({error}); start it or correct --url"
        ) from error
    for distance, image in ranked:
        print(f"{distance:10.3f}  {image}")
    for image, reason in refused.items():
        print(f"   refused  {image}: {reason}")


if __name__ == "__main__":
    main()
