"""One thread where the last bit matters."""

from __future__ import annotations

from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types


def one_thread() -> Any:
    """A context in which OpenMP and BLAS use one thread, those libraries that are loaded already.

    With several, sums of floating point numbers are taken in an order that depends on their
    number, and above two on chance: the last bits would differ from run to run. Besides, threads
    that wait for one another on a busy machine cost more than they bring.
    """
    return threadpool_limits(limits=1)
