"""What an uncaught error prints."""

from __future__ import annotations

import sys

import pytest

from bundle.root_cause import show_root_cause


@pytest.fixture
def printed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    show_root_cause()

    def printed(error):
        sys.excepthook(type(error), error, error.__traceback__)
        return capsys.readouterr().err.splitlines()

    return printed


def test_the_first_of_three_errors_stands_last(printed):
    try:
        try:
            try:
                raise ValueError("alpha must be at least 0, got -1")
            except ValueError as error:
                raise RuntimeError("Failed to instantiate component") from error
        except RuntimeError as error:
            raise RuntimeError("Failed to evaluate") from error
    except RuntimeError as error:
        lines = printed(error)
    assert lines[-3:] == ["RuntimeError: Failed to evaluate", "", "error: alpha must be at least 0, got -1"]


def test_an_error_without_a_cause_is_left_as_it_is(printed):
    assert printed(ValueError("no file")) == ["ValueError: no file"]
