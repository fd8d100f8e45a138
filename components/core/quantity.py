"""Quantities as Kubernetes writes them: 250m of a CPU, 512Mi of memory."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(r"(\d+(?:\.\d+)?)(m|[kMGTPE]|[KMGTPE]i)?")
_POWERS = {letter: power for power, letter in enumerate("KMGTPE", 1)}


def parse_quantity(text: str) -> Decimal:
    """A quantity's value, in cores or in bytes.

    Raises:
        ValueError: when it is none, or nothing at all.

    >>> parse_quantity("250m"), parse_quantity("1Ki"), parse_quantity("2")
    (Decimal('0.250'), Decimal('1024'), Decimal('2'))
    """
    found = _FORM.fullmatch(text)
    if not found or not Decimal(found[1]):
        raise ValueError(
            f"{text!r} is no quantity; write CPUs as 500m or 2, and memory as 512Mi or 4Gi"
        )
    number, unit = Decimal(found[1]), found[2]
    if not unit:
        return number
    if unit == "m":
        return number * Decimal("0.001")
    base = 1024 if unit.endswith("i") else 1000
    return number * Decimal(base) ** _POWERS[unit[0].upper()]
