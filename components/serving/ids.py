"""Ids of requests and rows that no other process, replica or restart gives."""

from __future__ import annotations

import itertools
import re
import secrets

# What may stand in a header and in a log line; anything else gets an id of ours instead.
_CLEAN_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Ids:
    """Counts up behind 96 random bits: as unique as a random id, at a tenth of its cost.

    >>> ids = Ids()
    >>> len(ids.next()), ids.next() != ids.next()
    (36, True)
    """

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(12)
        self._count = itertools.count()

    def next(self) -> str:
        """A new id of 36 letters; threads may ask side by side."""
        return f"{self._prefix}-{next(self._count):011x}"


def clean_id(text: str | None) -> str | None:
    """The id, if it is one that can be passed on.

    >>> clean_id("order-7"), clean_id("two words"), clean_id("")
    ('order-7', None, None)
    """
    return text if text is not None and _CLEAN_ID.fullmatch(text) else None
