from __future__ import annotations

import pytest

from bundle.compare.code import PACKAGE, code_fingerprint, used_modules

FILES = {
    "__init__.py": "",
    "conventions.py": "KEY = 'image'\n",
    "losses/__init__.py": "from bundle.losses.one import One\nfrom bundle.losses.two import Two\n",
    "losses/one.py": '"""One."""\nfrom bundle.conventions import KEY\n\nclass One:\n    """Loss."""\n    key = KEY\n',
    "losses/two.py": "from .one import One\n\nclass Two(One):\n    pass\n",
    "other.py": "import bundle.losses\n",
}
CONFIG = '{"loss": {"_target_": "bundle.losses.One"}, "name": "bundle.train"}'


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "bundle"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(CONFIG, ["conventions.py", "losses/one.py"], id="re-exported_name"),
        pytest.param("bundle.losses.Two", ["conventions.py", "losses/one.py", "losses/two.py"], id="relative_import"),
        pytest.param(
            "$from bundle.losses import One, Two", ["conventions.py", "losses/one.py", "losses/two.py"], id="from"
        ),
        pytest.param(
            "bundle.other.x",
            ["conventions.py", "losses/__init__.py", "losses/one.py", "losses/two.py", "other.py"],
            id="whole_package",
        ),
        pytest.param("_target_: Adam", [], id="none"),
    ],
)
def test_modules_that_a_config_needs(package, text, expected):
    assert [path.relative_to(package).as_posix() for path in used_modules([text], package)] == expected


def test_training_and_evaluation_need_their_parts():
    names = {}
    for config in ("train", "evaluate"):
        text = (PACKAGE.parent / "configs" / f"{config}.yaml").read_text()
        names[config] = {path.relative_to(PACKAGE).as_posix() for path in used_modules([text])}
    shared = {"networks/attribution_net.py", "networks/patchgan.py", "data/intensity.py", "conventions.py"}
    assert shared <= names["train"] & names["evaluate"]
    assert {"losses/functional.py", "handlers/training_state.py"} <= names["train"] - names["evaluate"]
    assert {"handlers/evaluation.py", "metrics/ranking.py"} <= names["evaluate"] - names["train"]


def change(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_only_code_that_is_used_counts(package):
    before = code_fingerprint([CONFIG], package)
    change(package / "losses" / "one.py", '"""Loss."""', '"""Another docstring."""  # and a comment')
    change(package / "losses" / "two.py", "pass", "key = 2")
    assert code_fingerprint([CONFIG], package) == before
    change(package / "conventions.py", "image", "flair")
    assert code_fingerprint([CONFIG], package) != before
