"""The import order of the package: a row of `bundle/` imports only rows above it, and nothing imports upwards."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    "conventions",
    "data",
    "preprocessing",
    "networks",
    "inferers",
    "attributions",
    "losses",
    "optimizers",
    "anomaly",
    "metrics",
    "audit",
    "handlers",
    "report",
    "viewer",
    "preflight",
    "switches",
    "option_names",
    "root_cause",
    "deployment",
    "compare",
]
MODULES = sorted((ROOT / "bundle").rglob("*.py"))


def _imported_modules(source: str, package: str) -> set[str]:
    """Dotted names that a module imports, wherever the import stands; relative ones resolved against `package`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def _wrong_imports(source: str, module: str, package: str) -> list[str]:
    """Imports of `module` that break the order; `module` is its dotted name below `bundle`, empty for the package."""
    row = ROWS.index(module.split(".")[0]) if module else len(ROWS)
    wrong = []
    for name in sorted(_imported_modules(source, package)):
        top, _, rest = name.partition(".")
        below = top == "bundle" and rest.split(".")[0] in ROWS[row + 1 :]
        if below or top in ("scripts", "tests"):
            wrong.append(name)
    return wrong


def _dotted(path: Path) -> tuple[str, str]:
    parts = path.relative_to(ROOT / "bundle").with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = parts[:-1] if is_package else parts
    return ".".join(module), ".".join(["bundle", *(module if is_package else module[:-1])])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_only_rows_above(path):
    module, package = _dotted(path)
    assert module == "" or module.split(".")[0] in ROWS, f"give {module} a place in the import order"
    assert _wrong_imports(path.read_text(), module, package) == []


@pytest.mark.parametrize(
    ("source", "module", "expected"),
    [
        pytest.param("import bundle.losses", "networks.patchgan", ["bundle.losses"], id="plain"),
        pytest.param("from bundle import handlers", "data.splits", ["bundle.handlers"], id="from_package"),
        pytest.param(
            "def f():\n    from bundle.report import a", "metrics.x", ["bundle.report.a"], id="inside_a_function"
        ),
        pytest.param("from ..metrics import dice", "anomaly.maps", ["bundle.metrics.dice"], id="relative"),
        pytest.param("from . import splits", "data.records", [], id="own_row"),
        pytest.param("from bundle.conventions import IMAGE", "preflight", [], id="row_above"),
        pytest.param("from scripts import make_cohort", "preflight", ["scripts.make_cohort"], id="scripts"),
    ],
)
def test_the_check_itself(source, module, expected):
    package = ".".join(["bundle", *module.split(".")[:-1]])
    assert _wrong_imports(source, module, package) == expected


def test_no_print_in_the_package():
    calls = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert calls == set()
