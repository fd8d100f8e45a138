"""What a person sees while something runs: a live line on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Console:
    """Results go to stdout, progress to stderr, and progress only where a person looks on."""

    def __init__(self, *, quiet: bool = False) -> None:
        # Taken now: while a pipeline runs, stdout is redirected into its log.
        self._out = sys.stdout
        self._live = sys.stderr.isatty() and not quiet

    def say(self, line: str) -> None:
        """Print one line of the result."""
        print(line, file=self._out, flush=True)

    @contextmanager
    def task(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner with a title; the function it yields says what is being done."""
        if not self._live:
            yield _ignore
            return
        from rich.console import Console as Terminal

        with Terminal(stderr=True).status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")


def _ignore(text: str) -> None:
    """Nobody looks on."""
    del text
