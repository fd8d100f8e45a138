"""What a server counted by some time ago."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from components.serving.metrics import ReleaseCounts
from components.serving.past import Past


@given(st.lists(st.floats(0, 30), max_size=60), st.floats(0, 600))
def test_it_is_at_most_a_step_older_than_asked_for(waits: Sequence[float], ago: float) -> None:
    past, counts, now = Past[ReleaseCounts](0.0), ReleaseCounts(), 0.0
    counted = []
    for wait in waits:
        now += wait
        past.pass_on(now, {"v1": counts})
        counts.request("predict", 200, 0.001)
        counted.append(now)

    told = (
        past.at(now - ago, {"v1": counts})
        .get("v1", ReleaseCounts())
        .requests.get(("predict", 200), 0)
    )

    moment = now - ago
    assert told <= sum(at <= moment for at in counted)
    assert told >= sum(at < moment - 5 for at in counted)


def test_only_half_an_hour_is_remembered() -> None:
    past, counts = Past[ReleaseCounts](0.0), ReleaseCounts()
    for second in range(4000):
        past.pass_on(float(second), {"v1": counts})
        counts.request("predict", 200, 0.001)

    told = past.at(0.0, {"v1": counts})["v1"].requests["predict", 200]

    assert 4000 - 1800 - 5 <= told <= 4000 - 1800
