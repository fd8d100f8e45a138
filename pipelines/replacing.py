"""Replace a function of a module for as long as a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replaced(module: Any, name: str, replacement: Any) -> Iterator[None]:
    """Put a replacement in a function's place, and the function back at the end.

    Raises:
        AttributeError: when there is no function of that name.
    """
    original = getattr(module, name)
    setattr(module, name, replacement)
    try:
        yield
    finally:
        setattr(module, name, original)
