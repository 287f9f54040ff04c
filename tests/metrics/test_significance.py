from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bundle.metrics.significance import (
    average_seeds,
    bonferroni,
    bootstrap_interval,
    compare_subjects,
    paired_permutation_test,
    smallest_p,
)


def enumerated_p(first, second) -> float:
    """Share of all sign flips of the differences whose mean is as far from zero as the observed one."""
    differences = np.array(first) - np.array(second)
    flips = np.array(list(itertools.product([1.0, -1.0], repeat=len(differences))))
    means = abs((flips * differences).mean(axis=1))
    return float((means >= abs(differences.mean()) - 1e-12).mean())


@pytest.mark.parametrize("seed", range(5))
def test_six_units_are_enumerated(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.3, 1.0, 6), rng.normal(0.0, 1.0, 6)
    test = paired_permutation_test(first, second, seed=seed)
    assert test.p_value == pytest.approx(enumerated_p(first, second), abs=1e-12)
    assert test.difference == pytest.approx(first.mean() - second.mean())
    assert (test.units, test.reason) == (6, "")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], 2 / 8, id="all_of_one_sign"),
        pytest.param([1.0, 2.0], [1.0, 2.0], 1.0, id="equal"),
        pytest.param([1.0, 0.0], [0.0, 1.0], 1.0, id="mean_of_zero"),
    ],
)
def test_p_value_by_hand(first, second, expected):
    assert paired_permutation_test(first, second).p_value == pytest.approx(expected)


def test_drawn_permutations_agree_with_the_normal_limit():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.0, 1.0, 400)
    differences += 2.0 * math.sqrt((differences**2).mean() / 400) - differences.mean()  # two standard errors
    spread = math.sqrt((differences**2).mean() / 400)
    expected = math.erfc(differences.mean() / spread / math.sqrt(2.0))
    test = paired_permutation_test(differences, np.zeros(400), seed=1)
    assert test.p_value == pytest.approx(expected, abs=4 * math.sqrt(expected / 10_000))  # of the draw
    assert test == paired_permutation_test(differences, np.zeros(400), seed=1)
    assert test.p_value != paired_permutation_test(differences, np.zeros(400), seed=2).p_value


@pytest.mark.parametrize("units", [6, 13, 14, 40])
def test_smallest_p(units):
    assert paired_permutation_test(np.arange(1.0, units + 1), np.zeros(units)).p_value >= smallest_p(units)
    assert smallest_p(units) == pytest.approx(2 / 2**units if units < 14 else 2 / 10_001)


def test_smallest_p_is_reached():
    assert paired_permutation_test(np.ones(6), np.zeros(6)).p_value == pytest.approx(smallest_p(6))
    assert paired_permutation_test(np.ones(60), np.zeros(60)).p_value == pytest.approx(smallest_p(60))


@pytest.mark.parametrize(("values", "difference"), [([0.75], 0.5), ([], math.nan)])
def test_fewer_than_two_units(values, difference):
    test = paired_permutation_test(values, [0.25] * len(values))
    assert math.isnan(test.p_value) and test.reason == f"a test needs at least 2 units, got {len(values)}"
    assert test.difference == pytest.approx(difference, nan_ok=True)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        pytest.param([1.0, 2.0], [1.0], "got 2 and 1", id="lengths"),
        pytest.param([1.0, math.nan], [1.0, 2.0], "value 1 is nan", id="nan"),
        pytest.param([1.0, 2.0], [math.inf, 2.0], "value 0 is inf", id="infinite"),
    ],
)
def test_wrong_pairs(first, second, found):
    with pytest.raises(ValueError, match=found):
        paired_permutation_test(first, second)


def test_patients_are_the_units():
    first = {"a1": 1.0, "a2": 3.0, "b1": 4.0, "c1": 7.0}
    second = {"c1": 1.0, "b1": 1.0, "a2": 0.0, "a1": 0.0}  # another order
    patients = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    test = compare_subjects(first, second, patients=patients)
    assert (test.units, test.difference) == (3, pytest.approx((2.0 + 3.0 + 6.0) / 3))
    assert test.p_value == pytest.approx(2 / 8)
    slices = compare_subjects(first, second)
    assert (slices.units, slices.p_value) == (4, pytest.approx(2 / 16))


def test_unknown_value_leaves_the_subject_out_of_both():
    first = {"a1": 1.0, "a2": math.nan, "b1": 4.0, "c1": 9.0}
    second = {"a1": 0.0, "a2": 100.0, "b1": 1.0, "c1": math.nan}
    patients = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    test = compare_subjects(first, second, patients=patients)
    assert (test.units, test.difference) == (2, pytest.approx((1.0 + 3.0) / 2))


@pytest.mark.parametrize(("lacking", "side"), [("x", "second"), ("y", "first")])
def test_lacking_subject_is_named(lacking, side):
    first, second = {"a": 1.0}, {"a": 1.0}
    (first if side == "second" else second)[lacking] = 2.0
    with pytest.raises(ValueError, match=f"the {side} lacks '{lacking}'"):
        compare_subjects(first, second)


def test_seeds_are_averaged_where_known():
    values = average_seeds([("a", 1.0), ("b", 5.0), ("a", 3.0), ("b", math.nan), ("c", math.nan)])
    assert values == pytest.approx({"a": 2.0, "b": 5.0, "c": math.nan}, nan_ok=True)


def test_bonferroni():
    assert [bonferroni(p, 5) for p in (0.01, 0.3)] == [pytest.approx(0.05), 1.0]
    assert math.isnan(bonferroni(math.nan, 5))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        bonferroni(0.5, 0)


def test_bootstrap_interval_agrees_with_the_normal_limit():
    values = np.random.default_rng(0).normal(2.0, 3.0, 2000)
    low, high = bootstrap_interval(values, seed=3)
    error = values.std() / math.sqrt(2000)
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.1 * error)
    assert (low, high) == bootstrap_interval(values, seed=3)


def test_bootstrap_interval_of_few_or_equal_values():
    assert bootstrap_interval([0.5] * 4) == (0.5, 0.5)
    assert all(math.isnan(bound) for bound in bootstrap_interval([0.5]))
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 95"):
        bootstrap_interval([0.0, 1.0], level=95)
    with pytest.raises(ValueError, match="value 1 is nan"):
        bootstrap_interval([0.0, math.nan])
