"""What a part of the scoring found, and the document that it goes into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Scale:
    """How much to measure: `quick` for a look and for the tests, and how many processes."""

    quick: bool = False
    processes: int = 2


@dataclass(frozen=True)
class Demand:
    """A number to reach, what was measured, and whether that reaches it."""

    text: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Section:
    """One table of the document, with the demands that it answers and what to know about it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    demands: Sequence[Demand] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        """The section as Markdown."""
        lines = [f"### {self.title}", ""]
        lines += [f"{note}\n" for note in self.notes]
        lines += [_row(self.header), _row(["---"] * len(self.header)), *map(_row, self.rows)]
        if self.demands:
            lines += ["", "| asked for | measured | |", "|---|---|---|"]
            lines += [
                _row([demand.text, demand.measured, "met" if demand.met else "**missed**"])
                for demand in self.demands
            ]
        return "\n".join([*lines, ""])


def put(path: Path, name: str, text: str, order: Sequence[str]) -> None:
    """Replace one part of the document and leave the others as they are.

    Args:
        path: the document; made where it is not there.
        name: the part.
        text: its Markdown.
        order: all parts in the order of the document.
    """
    parts = _parts(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts[name] = text.strip()
    body = "\n\n".join(
        f"<!-- {part} -->\n{parts[part]}\n<!-- end -->" for part in order if part in parts
    )
    path.write_text(f"{_HEAD}\n{body}\n", encoding="utf-8")


def _parts(text: str) -> dict[str, str]:
    found = re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", text, flags=re.DOTALL)
    return dict(found)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = """# The verdicts, scored

Written by `python -m tests.bench.verdicts`; each part says when and how long it was measured. The
seeds are none that a rule was tuned on. Neither are the distributions, with these exceptions: the
part of the level that new categories have was chosen on the same kind of column with other seeds;
two limits of the learned effects (the least and the most degrees of freedom) were set after a look
at series of the same kind; the skew check's patterns were put in order with an eye on its windows.
"""
