"""How figures are written for people, the same in every check."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.1234), percent(0.00012), percent(0)
    ('12.3 %', '0.012 %', '0 %')
    """
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def count_of(count: int, what: str) -> str:
    """So many of something.

    >>> count_of(1, "request"), count_of(1200, "request")
    ('1 request', '1,200 requests')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def seconds(duration: float) -> str:
    """A short duration for people.

    Args:
        duration: in seconds.

    >>> seconds(0.00123), seconds(0.25), seconds(2)
    ('1.2 ms', '250 ms', '2 s')
    """
    if duration >= 1:
        return f"{duration:.3g} s"
    return f"{1000 * duration:.2g} ms" if duration < 0.1 else f"{1000 * duration:.0f} ms"
