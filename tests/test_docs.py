"""What the documents promise: links lead somewhere, commands name files that exist, no path of one machine is left."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _tracked() -> list[Path]:
    """Files of the repository; every file when it was unpacked from an archive without git."""
    skipped = {".git", ".venv", "data", "output", "runs", "build", "dist", "__pycache__"}
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts[:1])]
    else:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return sorted(path for path in paths if path.is_file())


TRACKED = _tracked()
MARKDOWN = [path for path in TRACKED if path.suffix == ".md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
SELF = Path(__file__).resolve()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MARKDOWN, ids=_name)
def test_relative_links_exist(path):
    targets = [link.split("#")[0] for link in LINK.findall(path.read_text()) if not re.match(r"[a-z]+:|#", link)]
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=_name)
def test_anchors_exist(path):
    text = path.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert {link[1:] for link in LINK.findall(text) if link.startswith("#")} <= headings


@pytest.mark.parametrize("path", MARKDOWN, ids=_name)
def test_named_files_exist(path):
    """Configs and scripts that a document names in its text or its commands."""
    text = path.read_text()
    files = set(re.findall(r"\bconfigs/[\w/]+\.(?:yaml|json|conf)", text)) - {"configs/methods/my_method.yaml"}
    modules = re.findall(r"python -m (scripts(?:\.\w+)+)", text)
    files |= {f"{name.replace('.', '/')}.py" for name in modules}
    assert sorted(name for name in files if not (ROOT / name).exists()) == []


def test_no_machine_paths():
    pattern = re.compile(rb"(?<![\w.$}\]/-])/(?:home|root|work|tmp|Users|mnt)/[\w.]")
    texts = {_name(path): path.read_bytes() for path in TRACKED if path.resolve() != SELF}
    found = [name for name, text in texts.items() if b"\0" not in text[:8192] and pattern.search(text)]
    assert found == []


def test_zoo_model_card_sections_are_in_order():
    expected = [
        "Authors",
        "Tags",
        "Model description",
        "Data",
        "Performance",
        "Additional usage steps",
        "System configuration",
    ]
    expected += ["Limitations", "Citation", "References"]
    text = (ROOT / "docs" / "README.md").read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == expected
    assert not re.search(r"!\[|<img|\$\$|\\\(", text), "the zoo's page shows no relative images and no formulas"
