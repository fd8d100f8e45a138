"""How far back a guard looks for the champion's figures."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from components.core.errors import ServingError
from components.release.recent import lately
from components.spec.model import Guard

GUARD = Guard.model_validate({"period": "60s", "min_requests": 10})


def told(requests: int) -> str:
    return (
        "# TYPE http_requests_total counter\n"
        f'http_requests_total{{endpoint="predict",code="200",release="v1"}} {requests}\n'
    )


class Servers:
    """Servers that counted so many requests by now, and so many by so many seconds ago."""

    def __init__(self, **of: Mapping[int, int]) -> None:
        self.of = of

    def fetch(self, path: str) -> Mapping[str, str]:
        ago = 0 if path == "metrics" else int(path.removeprefix("metrics/ago/"))
        texts = {name: told(by[ago]) for name, by in self.of.items() if ago in by}
        if not texts:
            raise ServingError("no server answers")
        return texts


@pytest.mark.parametrize(
    ("before", "requests"),
    [
        ({60: 700, 120: 0}, 300),
        ({60: 950, 120: 700, 240: 0}, 300),
        ({60: 999, 120: 990, 240: 990, 480: 990, 960: 901}, None),
        ({}, None),
    ],
)
def test_it_is_the_shortest_time_with_enough_requests(
    before: Mapping[int, int], requests: int | None
) -> None:
    counts = lately(Servers(one={0: 1000, **before}).fetch, "v1", GUARD)

    assert (counts and counts.requests) == requests


def test_a_server_that_does_not_know_its_past_is_left_out() -> None:
    servers = Servers(one={0: 1000, 60: 800}, older={0: 5000})

    counts = lately(servers.fetch, "v1", GUARD)

    assert counts is not None
    assert counts.requests == 200


def test_a_server_that_started_anew_in_between_is_not_counted_backwards() -> None:
    servers = Servers(one={0: 10, 60: 800, 120: 800})

    assert lately(servers.fetch, "v1", GUARD) is None
