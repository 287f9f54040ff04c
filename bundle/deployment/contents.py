"""What belongs to the bundle that is handed out, and the texts that only the handed-out form has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

FILES = ("CHANGELOG.md", "CITATION.cff", "LICENSE", "metadata.json", "pyproject.toml", "requirements.txt")
FOLDERS = ("bundle", "configs", "docs", "eval", "models", "notebooks", "scripts")
"""What is taken from the bundle's root, where it is there. Tests, data and results are not."""

WEIGHTS = "models/model.pt"
THRESHOLDS = "models/threshold.json"
METADATA = "configs/metadata.json"
MODEL_CARD = "docs/README.md"
HUB_CARD = "README.md"
LARGE_FILES = "large_files.yml"

_SUFFIXES = frozenset(
    {".bib", ".cff", ".conf", ".ipynb", ".json", ".md", ".png", ".pt", ".py", ".toml", ".ts", ".txt", ".yaml", ".yml"}
)
_CACHE = "__pycache__"


def bundle_files(root: Path) -> dict[str, Path]:
    """Find the files of the bundle.

    Links are followed, so a file stands under the name of its link, as an archive without links needs it.

    Args:
        root: root folder of the bundle.

    Returns:
        Name below the root, with ``/`` -> file; sorted by name.

    Raises:
        ValueError: When a file does not belong into a bundle, such as an image volume or a hidden file, or a link leads
            nowhere or back to where it is; one line for each.
    """
    found = {name: root / name for name in FILES if (root / name).is_file()}
    problems: list[str] = []
    for folder in FOLDERS:
        for path in _walk(root / folder, (), problems):
            found[path.relative_to(root).as_posix()] = path
    problems += [
        f"{name}: a bundle must hold code, configs, texts, pictures and weights only, got a "
        f"{'hidden' if Path(name).name.startswith('.') else Path(name).suffix or 'nameless'} file; move it elsewhere"
        for name in found
        if Path(name).name.startswith(".") or not (Path(name).suffix in _SUFFIXES or name in FILES)
    ]
    if problems:
        raise ValueError("\n".join(sorted(problems)))
    return dict(sorted(found.items()))


def _walk(folder: Path, above: tuple[Path, ...], problems: list[str]) -> Iterator[Path]:
    """Yield the files below a folder, through links; ``above`` are the true places of the folders on the way."""
    if not folder.is_dir():
        return
    place = folder.resolve()
    if place in above:
        problems.append(f"{folder}: the link leads back to a folder that it lies in, {place}; remove it")
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name != _CACHE:
                yield from _walk(path, (*above, place), problems)
        elif path.exists():
            yield path
        else:
            problems.append(f"{path}: the link leads nowhere, to {path.readlink()}; remove it or restore its target")


def hub_card(root: Path) -> str:
    """Return the model card with the front matter by which the Hugging Face Hub files a model.

    MONAI's ``push_to_hf_hub`` makes the same file with fewer tags.

    Args:
        root: root folder of the bundle.

    Raises:
        ValueError: When the card has no section Tags.
    """
    card = (root / MODEL_CARD).read_text(encoding="utf-8")
    section = re.search(r"^## Tags\s+(.+?)\s*(?=^#|\Z)", card, re.MULTILINE | re.DOTALL)
    if section is None:
        raise ValueError(f"{root / MODEL_CARD}: a model card must have a section '## Tags', got none; add it")
    tags = ["monai", "medical", *(tag.strip().lower().replace(" ", "-") for tag in section[1].split(","))]
    lines = ["license: apache-2.0", "library_name: monai", "pipeline_tag: image-segmentation", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in dict.fromkeys(tags)), "---", card])


def bundle_name(root: Path) -> tuple[str, str]:
    """Return the name and the version that the metadata states.

    Args:
        root: root folder of the bundle.

    Raises:
        FileNotFoundError: When there is no metadata.
    """
    path = root / METADATA
    if not path.is_file():
        raise FileNotFoundError(f"{path}: the file does not exist; run this from the root of the bundle")
    metadata = json.loads(path.read_text(encoding="utf-8"))
    return metadata["name"], metadata["version"]
