from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bundle.data.cohorts.scan import Scan
from bundle.data.cohorts.split import first_of_each_patient, split_by_fractions, split_by_sizes

FRACTIONS = {"training": 0.7, "validation": 0.1, "test": 0.2}


def _scans(count, *, condition="ms", sessions=1, sites=1, name="p", **more):
    people = [(f"{name}{number:03d}", f"s{number % sites}") for number in range(count)]
    return [
        Scan(f"{person}-{session}", person, Path("x.nii"), condition, site=site, **more)
        for person, site in people
        for session in range(sessions)
    ]


def _people(part):
    return {scan.patient for scan in part}


def _assert_nobody_twice(split):
    people = [person for part in split.values() for person in _people(part)]
    assert len(people) == len(set(people))


def test_fractions_of_persons_by_condition():
    scans = _scans(100, condition="healthy", name="h") + _scans(50, sessions=3)
    split = split_by_fractions(scans, FRACTIONS)
    _assert_nobody_twice(split)
    for section, share in FRACTIONS.items():
        counts = Counter(person[0] for person in _people(split[section]))
        assert counts == {"h": round(100 * share), "p": round(50 * share)}
    assert sorted(scan.subject for part in split.values() for scan in part) == sorted(scan.subject for scan in scans)
    assert [scan.label for scan in split["training"]] == [0] * 70 + [1] * 105


def test_same_seed_same_split_whatever_the_order():
    scans = _scans(40, sessions=2, sites=3)
    for split, how in ((split_by_fractions, FRACTIONS), (split_by_sizes, {"test": 9})):
        assert split(scans, how, 1) == split(scans[::-1], how, 1) != split(scans, how, 2)


@pytest.mark.parametrize("seed", range(5))
def test_sites_are_spread(seed):
    scans = _scans(100, sites=4) + [Scan("z", "z", Path("x.nii"), "ms", site="alone")]
    for split in (
        split_by_fractions(scans, FRACTIONS, seed),
        split_by_sizes(scans, {"training": 60, "validation": 12, "test": 20}, seed),
    ):
        for part in split.values():
            counts = Counter(scan.site for scan in part)
            share = len(part) * 25 / 101
            assert all(abs(counts[f"s{site}"] - share) < 2 for site in range(4)), counts


def test_a_single_person_of_a_site_goes_anywhere():
    where = Counter()
    for seed in range(200):
        split = split_by_fractions([*_scans(19), Scan("z", "z", Path("x.nii"), "ms", site="alone")], FRACTIONS, seed)
        where.update(section for section, part in split.items() if "z" in _people(part))
    expected = np.array([14, 2, 4]) * 10  # of 20 persons, 200 draws
    chi2 = ((np.array([where[section] for section in FRACTIONS]) - expected) ** 2 / expected).sum()
    assert chi2 < 13.8  # 2 degrees of freedom, p = 0.001


def test_sizes_count_images_of_whole_persons():
    """Kirby 21 with the paper's sizes: 42 scans of 21 persons, an odd number for validation and test."""
    sizes = {"training": 22, "validation": 5, "test": 5}
    split = split_by_sizes(_scans(21, condition="healthy", sessions=2), sizes)
    assert {section: len(part) for section, part in split.items()} == sizes
    assert [len(_people(split[section])) for section in sizes] == [11, 3, 3]
    _assert_nobody_twice(split)


def test_own_parts_of_a_challenge():
    """MSSEG 2016 with the paper's sizes: 15 training and 38 testing patients of 3 and 4 centres."""
    training = _scans(15, sites=3, name="a", sections=("training", "validation"))
    testing = _scans(38, sites=4, name="b", sections=("test",))
    split = split_by_sizes(training + testing, {"training": 12, "validation": 3, "test": 37})
    assert [len(split[section]) for section in FRACTIONS] == [12, 3, 37]
    assert all(scan.patient[0] == ("b" if section == "test" else "a") for section in split for scan in split[section])
    shares = split_by_fractions(training + testing, FRACTIONS)
    assert [len(shares[section]) for section in FRACTIONS] == [13, 2, 38]  # 0.7 to 0.1 of 15


def test_fixed_sections_come_first():
    scans = _scans(4, name="fixed", sections=("test",)) + _scans(10, name="free")
    split = split_by_sizes(scans, {"training": 5, "validation": 2, "test": 5})
    assert {scan.patient[:5] for scan in split["test"]} == {"fixed", "free0"} and len(split["test"]) == 5


def test_person_with_two_conditions_is_one_person():
    scans = [*_scans(9), Scan("p000-h", "p000", Path("x.nii"), "healthy")]
    split = split_by_sizes(scans, {"training": 5, "validation": 2, "test": 2})
    _assert_nobody_twice(split)


def test_first_of_each_patient():
    assert [scan.subject for scan in first_of_each_patient(_scans(2, sessions=3)[::-1])] == ["p000-0", "p001-0"]


@pytest.mark.parametrize(
    ("split", "scans", "how", "match"),
    [
        pytest.param(split_by_sizes, _scans(4), {"training": 3, "test": 2}, "2 images in test, .* are 1", id="few"),
        pytest.param(split_by_sizes, _scans(4), {"training": -1}, "got {'training': -1}", id="negative"),
        pytest.param(split_by_fractions, _scans(4), {"training": 0.5}, r"add up to 1, got {'training': 0\.5", id="sum"),
        pytest.param(split_by_fractions, _scans(2), FRACTIONS, "stratum 'ms' .* got 2", id="too_few_persons"),
        pytest.param(
            split_by_fractions,
            _scans(3, sections=("test",)),
            {"training": 1.0},
            "x.nii: the scan may only be put in test, whose fraction is 0",
            id="no_share",
        ),
    ],
)
def test_bad_splits(split, scans, how, match):
    with pytest.raises(ValueError, match=match):
        split(scans, how)
