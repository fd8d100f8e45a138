"""What a person sees while something runs: a live line on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager


class Console:
    """Results go to stdout, progress to stderr, and progress only where a person looks on."""

    def __init__(self, *, quiet: bool = False) -> None:
        # Taken now: while a pipeline runs, stdout is redirected into its log.
        self._out = sys.stdout
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet

    def say(self, line: str) -> None:
        """Print one line of the result."""
        print(line, file=self._out, flush=True)

    def note(self, line: str) -> None:
        """Print one line that is no result: something happened that a person should know."""
        print(f"driftline: {line}", file=sys.stderr, flush=True)

    def step(self, step: str, word: str) -> None:
        """Print that a step of a run elsewhere began or ended; it may be the only sign for long."""
        if not self._quiet:
            print(f"{step:<23}  {word}", file=sys.stderr, flush=True)

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Print rows that have the same keys as a table; long texts are cut."""
        shown = [{key: _cut(value) for key, value in row.items()} for row in rows]
        widths = {key: max(len(key), *(len(row[key]) for row in shown)) for key in rows[0]}
        for row in [{key: key for key in widths}, *shown]:
            self.say("  ".join(f"{row[key]:<{width}}" for key, width in widths.items()).rstrip())

    @contextmanager
    def task(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner with a title; the function it yields says what is being done."""
        if not self._live:
            yield _ignore
            return
        from rich.console import Console as Terminal

        with Terminal(stderr=True).status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")


def _cut(text: str, width: int = 60) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _ignore(text: str) -> None:
    """Nobody looks on."""
    del text
