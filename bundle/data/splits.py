"""Split people, not images, into training, validation and test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def split_subjects(
    subjects: Sequence[str], strata: Sequence[str], fractions: Mapping[str, float], seed: int
) -> dict[str, list[str]]:
    """Share subjects out over the sections of a datalist, each stratum in the same proportions.

    The result depends on the set of subjects and the seed, not on the order they are given in. Every section with
    a fraction above zero receives at least one subject of every stratum. (scikit-learn's stratified splitters need
    enough members per class for each of two successive cuts, which small cohorts do not have.)

    Args:
        subjects: subject of each image; a subject with several images may be repeated.
        strata: stratum of each image, for example its condition.
        fractions: share of each section by name, for example ``{"training": 0.7, "validation": 0.1, "test": 0.2}``;
            they add up to 1.
        seed: seed of the shuffle.

    Returns:
        The sorted subjects of each section, by the names in ``fractions``.

    Raises:
        ValueError: When the lengths differ, the fractions are not shares of 1, a subject has two strata, or a
            stratum has fewer subjects than there are sections to fill.
    """
    if len(subjects) != len(strata):
        raise ValueError(f"there must be one stratum per subject, got {len(subjects)} subjects and {len(strata)}.")
    if any(share < 0 for share in fractions.values()) or not np.isclose(sum(fractions.values()), 1.0):
        raise ValueError(f"fractions must not be negative and must add up to 1, got {dict(fractions)}.")
    stratum_of: dict[str, str] = {}
    for subject, stratum in zip(subjects, strata):
        if stratum_of.setdefault(subject, stratum) != stratum:
            raise ValueError(
                f"a subject must belong to one stratum, {subject!r} has {stratum_of[subject]!r} and {stratum!r}. "
                "Give all images of a subject the same condition."
            )
    rng = np.random.default_rng(seed)
    split: dict[str, list[str]] = {section: [] for section in fractions}
    for stratum in sorted(set(stratum_of.values())):
        members = sorted(subject for subject in stratum_of if stratum_of[subject] == stratum)
        counts = _section_sizes(len(members), fractions, stratum)
        order = [members[index] for index in rng.permutation(len(members))]
        cuts = np.cumsum(counts)[:-1]
        for section, part in zip(fractions, np.split(np.arange(len(order)), cuts)):
            split[section].extend(order[index] for index in part)
    return {section: sorted(part) for section, part in split.items()}


def _section_sizes(total: int, fractions: Mapping[str, float], stratum: str) -> list[int]:
    """Round shares to whole subjects by largest remainder, with at least one wherever the share is above zero."""
    share = np.array(list(fractions.values()))
    if total < np.count_nonzero(share):
        raise ValueError(
            f"stratum {stratum!r} must have a subject for each of {np.count_nonzero(share)} sections, got {total}. "
            "Add subjects, or set the fraction of a section to 0."
        )
    exact = share * total
    sizes = np.floor(exact + 1e-9).astype(int)
    for index in np.argsort(sizes - exact, kind="stable")[: total - sizes.sum()]:
        sizes[index] += 1
    for index in np.flatnonzero((share > 0) & (sizes == 0)):
        sizes[np.argmax(sizes)] -= 1
        sizes[index] += 1
    return [int(size) for size in sizes]
