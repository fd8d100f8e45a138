"""How figures are written for people, the same in every check."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.1234), percent(0.00012), percent(0)
    ('12.3 %', '0.012 %', '0 %')
    """
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2g} %"
