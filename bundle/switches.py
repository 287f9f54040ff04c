"""Read the switches of configs, which the command line passes as text."""

from __future__ import annotations

from yaml import SafeLoader  # type: ignore[import-untyped]

from bundle.preflight import exit_with


def switch_or_exit(name: str, value: object) -> bool:
    """Return whether a switch is on, for use in configs.

    ``--report false`` on the command line passes the text ``"false"``, which Python counts as true.

    Args:
        name: name of the switch.
        value: true or false, or one of YAML's words for them: ``true``, ``yes``, ``on``, ``false``, ``no``, ``off``.

    Raises:
        SystemExit: When it is none of them; the message is one line.
    """
    words: dict[str, bool] = SafeLoader.bool_values
    word = str(value).lower()
    if word not in words:
        exit_with([f"{name}: a switch must be true or false, got {value!r}; write --{name} true or --{name} false"])
    return words[word]
