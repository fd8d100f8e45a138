"""How many shards, and which of them are counted side by side."""

from __future__ import annotations

from collections.abc import Sequence

from components.core.errors import UsageError
from components.spec.context import AUTO

# More pods than this in one run are no help: Kubeflow keeps a record of each in one object.
MOST_SHARDS = 1000
_NOTHING = "nothing"


def lanes(shards: Sequence[int], most: int | None) -> list[str]:
    """What is to be done side by side: each lane goes through its shards one after the other.

    Kubeflow fixes how many pods a loop may have when a pipeline is compiled; a lane a pod is a
    limit that each run may choose. A loop needs at least one lane, even to do nothing.

    >>> lanes([0, 1, 2, 3, 4], 2), lanes([], None)
    (['s0,s2,s4', 's1,s3'], ['nothing'])
    """
    if not shards:
        return [_NOTHING]
    count = min(most or len(shards), len(shards))
    return [",".join(f"s{shard}" for shard in shards[lane::count]) for lane in range(count)]


def shards_of(lane: str) -> list[int]:
    """The shards of a lane.

    >>> shards_of("s0,s2"), shards_of(_NOTHING)
    ([0, 2], [])
    """
    return [] if lane == _NOTHING else [int(shard.removeprefix("s")) for shard in lane.split(",")]


def number(text: str, name: str, most: int) -> int | None:
    """A count as a pipeline passes it, or None for `auto`.

    Raises:
        UsageError: when it is neither.

    >>> number("4", "shards", 10), number("auto", "shards", 10)
    (4, None)
    """
    if text == AUTO:
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    raise UsageError(f"--{name} {text!r} is not a whole number from 1 to {most:,}, or {AUTO}")


def counted(count: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "shard"), counted(1200, "shard")
    ('1 shard', '1,200 shards')
    """
    return f"{count:,} {what}{'s' * (count != 1)}"
