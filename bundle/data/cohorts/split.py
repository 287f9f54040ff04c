"""Put scans into the sections of a datalist: every person in one section, sites and groups spread over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bundle.conventions import TEST, TRAINING, VALIDATION
from bundle.data.cohorts.scan import Scan
from bundle.data.records import SECTIONS
from bundle.data.splits import split_subjects

FRACTIONS = {TRAINING: 0.7, VALIDATION: 0.1, TEST: 0.2}
Sections = dict[str, list[Scan]]
_Person = list[Scan]  # all scans of one person, ordered by subject


def split_by_fractions(scans: Iterable[Scan], fractions: Mapping[str, float], seed: int = 0) -> Sections:
    """Share persons out, each condition in the same proportions.

    The number of persons in each section is that of :py:func:`bundle.data.split_subjects`; within a condition they are
    dealt so that sites and groups are spread in proportion, down to one person. Scans that may not be put in every
    section are shared out over theirs, in the same proportions. The result depends on the set of scans and the seed.

    Args:
        scans: scans of one cohort.
        fractions: share of each section, which add up to 1.
        seed: seed of the shuffle.

    Raises:
        ValueError: When the fractions are not shares of 1, a condition has fewer persons than there are sections to
            fill, or scans may only be put in sections that have no share.
    """
    rng = np.random.default_rng(seed)
    split: Sections = {section: [] for section in SECTIONS}
    for allowed, members in _by_allowed_sections(scans).items():
        share = sum(fractions.get(section, 0.0) for section in allowed)
        if share == 0:
            raise ValueError(
                f"{members[0].image}: the scan may only be put in {' or '.join(allowed)}, whose fraction is 0; change "
                "the fractions, or forget the data set's own parts with --pool"
            )
        own = (
            fractions if len(allowed) == len(SECTIONS) else {name: fractions.get(name, 0.0) / share for name in allowed}
        )
        people = _people(members)
        for condition in sorted({_conditions(person) for person in people.values()}):
            names = [name for name, person in people.items() if _conditions(person) == condition]
            counts = split_subjects(names, [condition] * len(names), own, seed)
            queue = _spread([people[name] for name in names], rng)
            for section in counts:
                taken, queue = queue[: len(counts[section])], queue[len(counts[section]) :]
                split[section] += [scan for person in taken for scan in person]
    return {section: sorted(part, key=order_in_section) for section, part in split.items()}


def split_by_sizes(scans: Iterable[Scan], sizes: Mapping[str, int], seed: int = 0) -> Sections:
    """Take exactly so many images for each section; images that are left over are left out.

    Persons are taken whole. Where the last one of a section has more images than there is room for, the rest of that
    person's images is left out, so that nobody is in two sections. Conditions, sites and groups are spread over the
    sections and what is left out in proportion, down to one person. The result depends on the set of scans and the
    seed.

    Args:
        scans: scans of one cohort.
        sizes: number of images of each section.
        seed: seed of the shuffle.

    Raises:
        ValueError: When a size is negative, or there are too few images; the message has one line for each section.
    """
    if any(size < 0 for size in sizes.values()):
        raise ValueError(f"sizes must not be negative, got {dict(sizes)}.")
    rng = np.random.default_rng(seed)
    split: Sections = {section: [] for section in SECTIONS}
    groups = _by_allowed_sections(scans)
    for allowed in sorted(groups, key=len):  # those that have no choice first
        queue = _spread(list(_people(groups[allowed]).values()), rng)
        for section in allowed:
            while queue and (room := sizes.get(section, 0) - len(split[section])):
                split[section] += queue.pop(0)[:room]
    problems = [
        f"sizes ask for {size} images in {section}, of whole persons there are {len(split[section])}; ask for fewer"
        for section, size in sizes.items()
        if len(split[section]) < size
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return {section: sorted(part, key=order_in_section) for section, part in split.items()}


def first_of_each_patient(scans: Iterable[Scan]) -> list[Scan]:
    """Return the scan of each person that comes first by subject, such as that of the first session."""
    return [person[0] for person in _people(scans).values()]


def order_in_section(scan: Scan) -> tuple[int, str]:
    """Return the key that sorts healthy images before patients, then by subject."""
    return scan.label, scan.subject


def _by_allowed_sections(scans: Iterable[Scan]) -> dict[tuple[str, ...], list[Scan]]:
    """Group scans by the sections that they may be put in."""
    groups: dict[tuple[str, ...], list[Scan]] = {}
    for scan in sorted(scans, key=lambda scan: scan.subject):
        groups.setdefault(scan.sections, []).append(scan)
    return dict(sorted(groups.items()))


def _people(scans: Iterable[Scan]) -> dict[str, _Person]:
    """Group scans by person, both sorted."""
    people: dict[str, _Person] = {}
    for scan in sorted(scans, key=lambda scan: (scan.patient, scan.subject)):
        people.setdefault(scan.patient, []).append(scan)
    return people


def _spread(people: Sequence[_Person], rng: np.random.Generator) -> list[_Person]:
    """Order persons so that any run of them holds every stratum in proportion, down to one person.

    Each stratum's persons, shuffled, are placed at equal distances from a random start; the order is that of all
    places. This is systematic sampling, which unlike stratified sampling needs no least size of a stratum.
    """
    strata: dict[tuple[str, ...], list[int]] = {}
    for index, person in enumerate(people):
        strata.setdefault((_conditions(person), person[0].dataset, person[0].site, person[0].group), []).append(index)
    place = np.empty(len(people))
    for _, members in sorted(strata.items()):
        place[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    return [people[index] for index in np.argsort(place, kind="stable")]


def _conditions(person: _Person) -> str:
    """Return the condition of a person, or the conditions of one whose scans have several."""
    return "+".join(sorted({scan.condition for scan in person}))
