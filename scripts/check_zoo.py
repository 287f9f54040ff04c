"""Check the bundle in the current folder as the continuous integration of the MONAI Model Zoo does, without network.

Files: what must be there, licence, version and changelog, layout of JSON, sizes and large_files.yml, private keys.
Runs: metadata against its schema, input and output of the network, export to TorchScript, properties of the inference
workflow.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from bundle.deployment.zoo import check_files
from bundle.deployment.zoo_workflows import check_workflows


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and check."""
    argparse.ArgumentParser(
        prog="python -m scripts.check_zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    for name in ("bundle.scripts", "bundle.workflows", "apps"):
        logging.getLogger(f"monai.{name}").setLevel(logging.WARNING)  # they list the arguments of every check
    root = Path.cwd()
    try:
        problems = check_files(root)
    except ValueError as error:
        problems = str(error).splitlines()
    problems = problems or check_workflows(root)
    if problems:
        raise SystemExit("\n".join(f"error: {problem}" for problem in problems))
    print("the bundle passes what the Model Zoo checks")


if __name__ == "__main__":
    main()
