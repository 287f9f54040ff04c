"""Start MONAI Label with this bundle, offline: make the folder of its monaibundle app, link the bundle, run the server.

Run it with the Python of the environment that holds MONAI Label (make monai-label), from the bundle's folder. Viewers
connect to http://HOST:PORT; images and labels lie in the folder of the studies.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "brain_flair_anomaly_segmentation"  # MONAI Label takes the kind of model from the folder's name
APP = "monaibundle"


def make_app(folder: Path, bundles: Sequence[tuple[str, Path]]) -> Path:
    """Copy MONAI Label's app into a folder, unless it is there, and link bundles into it.

    Args:
        folder: folder that gets the app's folder.
        bundles: name and folder of each bundle.

    Returns:
        The app's folder.

    Raises:
        ValueError: When a bundle has no inference config, or its name is taken by another one.
    """
    app = folder.absolute() / APP
    if not (app / "main.py").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "monailabel.main",
            "apps",
            "--download",
            "--name",
            APP,
            "--output",
            str(folder),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (app / "model").mkdir(exist_ok=True)
    for name, bundle in bundles:
        if not any((bundle / "configs" / f"inference.{kind}").is_file() for kind in ("json", "yaml")):
            raise ValueError(f"{bundle}: a bundle must hold configs/inference.json or .yaml, found none; correct it")
        link = app / "model" / name
        if not link.is_symlink() and not link.exists():
            link.symlink_to(bundle.resolve(), target_is_directory=True)
        if link.resolve() != bundle.resolve():
            raise ValueError(f"{link}: the name is taken by {link.resolve()}; use another --app or remove it")
    return app


def server_command(app: Path, studies: Path, models: Sequence[str], host: str, port: int) -> list[str]:
    """Return the command that starts the server.

    Args:
        app: folder of the app.
        studies: folder of images.
        models: names of its bundles.
        host: address to listen at.
        port: port to listen at.
    """
    conf = {"models": ",".join(models), "zoo_source": "ngc"}  # any source but the default asks no zoo for local bundles
    arguments = ["--app", str(app), "--studies", str(studies.absolute()), "--host", host, "--port", str(port)]
    arguments += [word for key, value in conf.items() for word in ("--conf", key, value)]
    return [sys.executable, "-m", "monailabel.main", "start_server", *arguments]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and become the server."""
    parser = argparse.ArgumentParser(prog="python -m scripts.monai_label.serve", description=__doc__)
    parser.add_argument(
        "--studies", type=Path, required=True, help="folder of .nii.gz volumes; labels are written to it"
    )
    parser.add_argument("--app", type=Path, default=ROOT / "output" / "monai_label", help="folder of the app")
    parser.add_argument(
        "--bundle", type=Path, action="append", default=[], help="folder of another bundle to serve, too"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    args = parser.parse_args(arguments)
    if importlib.util.find_spec("monailabel") is None:
        raise SystemExit(f"error: {sys.executable} has no MONAI Label; run: make monai-label, and use its Python")
    if not args.studies.is_dir():
        raise SystemExit(f"error: {args.studies}: the folder of the studies does not exist; correct it or make it")
    bundles = [(NAME, ROOT), *((bundle.resolve().name, bundle) for bundle in args.bundle)]
    try:
        app = make_app(args.app, bundles)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    command = server_command(app, args.studies, [name for name, _ in bundles], args.host, args.port)
    os.chdir(app.parent)  # Python looks for modules here first: the bundle's own must come from its link
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
