"""What the champion did lately: traffic changes, so a guard compares with the latest of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from components.core.errors import DriftlineError
from components.core.window import parse_duration
from components.release.counts import Counts, grown
from components.spec.model import Guard

Fetch = Callable[[str], Mapping[str, str]]
"""The answer to a GET of that path, of every server that answers; by the server's name.

Raises a DriftlineError where none does.
"""

METRICS = "metrics"

# So many times the requests that a release is judged by leave the champion's side little chance.
_ENOUGH = 10
# Servers remember half an hour; a first look back of less would be a moment's whim.
_LONGEST_S, _SHORTEST_S = 1800, 30


def lately(fetch: Fetch, release: str, guard: Guard) -> Counts | None:
    """What servers counted of a release lately: in the shortest time with enough requests.

    It looks back for the guard's period, then for twice as long, and so on.

    Args:
        fetch: asks the servers; each tells at `metrics/ago/N` how its counters stood.
        release: whose counts.
        guard: the limits, from the spec.

    Returns:
        None where no time was long enough, or no server can tell.
    """
    ago = max(int(parse_duration(guard.period).total_seconds()), _SHORTEST_S)
    while ago <= _LONGEST_S:
        try:
            counts = grown(fetch(METRICS), fetch(f"{METRICS}/ago/{ago}")).get(release)
        except DriftlineError:  # servers of an earlier driftline know no such path
            return None
        if counts is not None and counts.grew and counts.requests >= _ENOUGH * guard.min_requests:
            return counts
        ago *= 2
    return None
