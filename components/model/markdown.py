"""Markdown whose cells hold values from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A table; its cells may hold anything.

    >>> print(table(("a", "b"), [("1", "x|y")]))
    | a | b |
    | --- | --- |
    | 1 | x\|y |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(each) for each in line)} |" for line in lines)


def cell(value: object) -> str:
    """Text that cannot break out of its cell: values of columns come from anywhere."""
    text = " ".join(str(value).split())
    for sign in "\\|`*_[]<>":
        text = text.replace(sign, f"\\{sign}")
    return text
