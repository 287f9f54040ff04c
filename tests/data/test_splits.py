from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from bundle.data.splits import split_subjects

FRACTIONS = {"training": 0.7, "validation": 0.1, "test": 0.2}


def _cohort(**counts):
    strata = [name for name, count in counts.items() for _ in range(count)]
    return [f"sub-{index:04d}" for index in range(len(strata))], strata


def test_every_subject_once_and_in_proportion():
    subjects, strata = _cohort(healthy=100, tumour=50, ms=50)
    split = split_subjects(subjects, strata, FRACTIONS, seed=0)
    assert sorted(chain(*split.values())) == subjects
    condition = dict(zip(subjects, strata))
    for section, share in FRACTIONS.items():
        assert Counter(condition[s] for s in split[section]) == {
            "healthy": round(100 * share),
            "tumour": round(50 * share),
            "ms": round(50 * share),
        }


def test_same_seed_same_split_whatever_the_order():
    subjects, strata = _cohort(healthy=20, ms=11)
    split = split_subjects(subjects, strata, FRACTIONS, seed=3)
    assert split == split_subjects(subjects[::-1], strata[::-1], FRACTIONS, seed=3)
    assert split != split_subjects(subjects, strata, FRACTIONS, seed=4)


def test_repeated_subject_stays_in_one_section():
    subjects, strata = _cohort(healthy=5, ms=5)
    split = split_subjects(subjects * 3, strata * 3, FRACTIONS, seed=0)
    assert sorted(chain(*split.values())) == subjects


def test_smallest_stratum_reaches_every_section():
    subjects, strata = _cohort(healthy=3, ms=3)
    split = split_subjects(subjects, strata, FRACTIONS, seed=0)
    assert {section: len(part) for section, part in split.items()} == {"training": 2, "validation": 2, "test": 2}


def test_section_without_share_is_empty():
    split = split_subjects(*_cohort(ms=2), {"training": 0.5, "validation": 0.5, "test": 0.0}, seed=0)
    assert split["test"] == [] and len(split["training"]) == 1


@pytest.mark.parametrize(
    ("subjects", "strata", "fractions", "match"),
    [
        pytest.param(["a"], ["x", "y"], FRACTIONS, "got 1 subjects and 2", id="lengths"),
        pytest.param(["a"], ["x"], {"training": 0.5}, "0.5", id="sum"),
        pytest.param(["a"], ["x"], {"training": 1.5, "test": -0.5}, "-0.5", id="negative"),
        pytest.param(["a", "a"], ["x", "y"], FRACTIONS, "'a' has 'x' and 'y'", id="two_strata"),
        pytest.param(["a", "b"], ["x", "x"], FRACTIONS, "stratum 'x'.*got 2", id="too_few"),
    ],
)
def test_bad_input(subjects, strata, fractions, match):
    with pytest.raises(ValueError, match=match):
        split_subjects(subjects, strata, fractions, seed=0)
