"""The code that a workflow runs, as one fingerprint: what its configs name, and what that imports in turn.

Only those modules of the bundle count, so that work on another part of it leaves finished results valid. A name that
a package re-exports counts as the module that defines it. Comments, docstrings and layout do not count.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

_DOTTED = re.compile(r"\bbundle(?:\.\w+)+")
_FROM_IMPORT = re.compile(r"\bfrom (bundle[\w.]*) import (\w+(?:, *\w+)*)")


def code_fingerprint(texts: Iterable[str], package: Path = PACKAGE) -> str:
    """Return the SHA-256 of the modules that some configs use.

    Args:
        texts: contents of the config files.
        package: folder of the package ``bundle``.
    """
    digest = hashlib.sha256()
    for path in used_modules(texts, package):
        digest.update(f"{path.relative_to(package).as_posix()}\n{_code(path.read_bytes())}\n".encode())
    return digest.hexdigest()


def used_modules(texts: Iterable[str], package: Path = PACKAGE) -> list[Path]:
    """Return the files of the modules that configs name, and of all that these import, sorted.

    Args:
        texts: contents of the config files.
        package: folder of the package ``bundle``.
    """
    found: set[Path] = set()
    waiting = {name for text in texts for name in _named(text)}
    while waiting:
        files = {file for name in waiting for file in _files(name, package)} - found
        found |= files
        waiting = {name for file in files for name in _imports(file, package)}
    return sorted(found)


def _named(text: str) -> set[str]:
    imported = {f"{module}.{name.strip()}" for module, names in _FROM_IMPORT.findall(text) for name in names.split(",")}
    return imported | set(_DOTTED.findall(_FROM_IMPORT.sub("", text)))


def _files(name: str, package: Path) -> set[Path]:
    """Return the file that defines a dotted name; for a package, those of all its exports."""
    folder = package
    for part in name.split(".")[1:]:
        if (folder / part).is_dir():
            folder = folder / part
        elif (folder / f"{part}.py").is_file():
            return {folder / f"{part}.py"}
        else:
            exports = _exports(folder / "__init__.py", package)
            source = exports.get(part)
            if source is None and folder == package:
                return set()  # not a name of the package, such as a logger's
            return _files(source, package) if source else {folder / "__init__.py"}
    files = {folder / "__init__.py"}
    if folder != package:
        files |= {
            file for source in _exports(folder / "__init__.py", package).values() for file in _files(source, package)
        }
    return files


def _exports(init: Path, package: Path) -> dict[str, str]:
    """Return what a package re-exports: name -> dotted name of its definition."""
    return {name.rpartition(".")[2]: name for name in _imports(init, package)}


def _imports(path: Path, package: Path) -> set[str]:
    """Return the dotted names that a module imports from the bundle."""
    names = set()
    own = ("bundle", *path.relative_to(package).parent.parts)
    for node in ast.walk(_tree(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.partition(".")[0] == "bundle"}


@cache
def _tree(source: bytes) -> ast.Module:
    return ast.parse(source)


@cache
def _code(source: bytes) -> str:
    """Return a module's code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
