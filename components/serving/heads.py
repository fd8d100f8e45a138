"""The heads of requests that were parsed before, so that the next one like it need not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_END = b"\r\n\r\n"
# Heads that carry something of their own, an id or a trace, never come again: they may fill the
# store, and not for long.
_MOST = 256
_LARGEST = 2048


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says: the path as it was sent, the headers by lower-case name, a body's length.

    The connection stays open after its request, and nothing about it is unusual.
    """

    url: bytes
    given: Mapping[bytes, bytes]
    length: int


class Heads:
    r"""Finds a head by its very bytes.

    >>> heads, data = Heads(), b"POST /predict HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"
    >>> heads.find(data)
    >>> heads.remember(data, Head(b"/predict", {b"content-length": b"2"}, 2))
    >>> heads.find(data).length, heads.find(data[:-1])
    (2, None)
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> Head | None:
        """The head of a request that is here in full and alone; None where it is not known."""
        end = data.find(_END) + len(_END)
        head = self._known.get(data[:end])
        return head if head is not None and len(data) - end == head.length else None

    def remember(self, data: bytes, head: Head) -> None:
        """Keep a head, if the data is that request and nothing besides."""
        end = data.find(_END) + len(_END)
        if len(data) - end != head.length or end > _LARGEST:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[data[:end]] = head
