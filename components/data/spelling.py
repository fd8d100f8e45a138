"""The one spelling of a category; needs nothing heavy, so that a model server starts quickly."""

from __future__ import annotations

import math
import re
from decimal import Decimal

# How booleans and whole doubles are written in text: True, 7.0, and 1e+16 as programs print it.
_SPELLED = re.compile(r"(?i:true|false)|(-?(?:0|[1-9][0-9]*)\.0+|-?[1-9](?:\.[0-9]+)?e\+[0-9]+)")


def category_text(value: str | float | Decimal | None) -> str | None:
    """The one spelling of a category, however it comes; training and serving share it.

    7, 7.0 and "7.0" are "7"; true, "True" and "TRUE" are "true"; an empty text is none, as NaN is;
    fractions have the fewest digits that tell them from other doubles. Spelling twice changes
    nothing.

    Args:
        value: a text, a number (also a boolean), or None; infinity has no spelling.

    >>> [category_text(value) for value in (7, 7.0, "7.0", True, "True", 0.5, 1e16, "", "x")]
    ['7', '7', '7', 'true', 'true', '0.5', '10000000000000000', None, 'x']
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        found = _SPELLED.fullmatch(value)
        if found is None:
            return value
        if found[1] is None:
            return value.lower()
        return str(int(float(value))) if float(value).is_integer() else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return str(int(value))
        value = float(value)  # which is what JSON makes of it
    if not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(float(value))
