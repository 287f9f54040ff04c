"""Pack the bundle in the current folder for the MONAI Model Zoo and the Hugging Face Hub, and try the package.

Writes <name>_v<version>.zip: code, configs, texts, weights and a model card with front matter for the Hub, links
replaced by what they lead to. The same tree gives the same bytes. The package is then unpacked elsewhere, where it must
pass what the zoo checks and segment a synthetic volume.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from bundle.data.files import file_sha256
from bundle.deployment.package import write_package
from bundle.deployment.unpacked import write_verified_package


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output_dir", type=Path, default=Path("dist"), help="folder of the zip, default: %(default)s")
    parser.add_argument(
        "--weights_url",
        metavar="URL",
        help="where the weights can be downloaded: they are left out and listed in large_files.yml, the form of a pull "
        "request to the zoo",
    )
    parser.add_argument("--no_verify", action="store_true", help="write the package without trying it")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, pack and verify."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("bundle.deployment").setLevel(logging.INFO)
    logging.getLogger("monai.apps").setLevel(logging.WARNING)  # it names the folder that the package is unpacked in
    try:
        write = write_package if args.no_verify else write_verified_package
        archive = write(Path.cwd(), args.output_dir, args.weights_url)
    except (OSError, ValueError) as error:
        raise SystemExit("\n".join(f"error: {line}" for line in str(error).splitlines())) from error
    print(f"{archive}  {archive.stat().st_size / 1.0e6:.1f} MB  sha256 {file_sha256(archive)}")


if __name__ == "__main__":
    main()
