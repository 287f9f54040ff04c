"""Which condition a person has, from a value of a table or the name of a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bundle.data.cohorts.scan import HEALTHY_CONDITION

_MEANS_HEALTHY = re.compile(r"(healthy|normal|control|volunteer|hc$|hv$|nc$|cn$)", re.IGNORECASE)


def name_condition(value: str, names: Mapping[str, str]) -> str:
    """Return the condition that a value stands for.

    A value that is not named is a condition itself, unless it seems to mean healthy: whoever is not ``"healthy"`` is a
    patient, and a control must not become one by another spelling.

    Args:
        value: cell of a table or name of a folder.
        names: conditions by value; case does not count.

    Raises:
        ValueError: When the value seems to mean healthy and is not named.
    """
    conditions = {HEALTHY_CONDITION: HEALTHY_CONDITION} | {key.casefold(): name for key, name in names.items()}
    if value.casefold() not in conditions and _MEANS_HEALTHY.match(value):
        raise ValueError(
            f"{value!r} seems to mean healthy, and only the condition {HEALTHY_CONDITION!r} is; name it with "
            f"--conditions '{value}={HEALTHY_CONDITION}', or '{value}={value}' for patients"
        )
    return conditions.get(value.casefold(), value)
