"""Figures as they stand in sentences."""

from __future__ import annotations

from components.model.records import Bounds


def number(value: float) -> str:
    """A metric's value, as precisely as it reads well.

    >>> number(0.70349), number(1234.5)
    ('0.703', '1,234.5')
    """
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def signed(value: float) -> str:
    """A difference, with its sign.

    >>> signed(0.04812)
    '+0.048'
    """
    return f"{'+' if value >= 0 else '-'}{number(abs(value))}"


def span(bounds: Bounds) -> str:
    """An interval in brackets.

    >>> span((0.0412, 0.0549))
    '[0.041, 0.055]'
    """
    return f"[{number(bounds[0])}, {number(bounds[1])}]"
