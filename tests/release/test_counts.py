"""What servers count, read and added up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import ServingError
from components.release.counts import Counts, Replicas, read_counts

METRICS = """# HELP http_requests_total Requests answered.
# TYPE http_requests_total counter
http_requests_total{endpoint="predict",code="200",release="v2"} 90.0
http_requests_total{endpoint="infer",code="200",release="v2"} 5.0
http_requests_total{endpoint="predict",code="503",release="v2"} 3.0
http_requests_total{endpoint="predict",code="422",release="v2"} 2.0
http_requests_total{endpoint="predict",code="404",release="v2"} 1.0
http_requests_total{endpoint="health",code="503",release="v2"} 40.0
http_requests_total{endpoint="predict",code="200",release="v1"} 7.0
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{endpoint="predict",release="v2",le="0.001"} 80.0
http_request_duration_seconds_bucket{endpoint="predict",release="v2",le="+Inf"} 96.0
http_request_duration_seconds_bucket{endpoint="infer",release="v2",le="0.001"} 4.0
http_request_duration_seconds_bucket{endpoint="infer",release="v2",le="+Inf"} 5.0
http_request_duration_seconds_bucket{endpoint="health",release="v2",le="+Inf"} 40.0
# TYPE driftline_answers_total counter
driftline_answers_total{release="v2",cell="0.05"} 60.0
driftline_answers_total{release="v2",cell="0.95"} 35.0
# TYPE driftline_model_info gauge
driftline_model_info{model="m",release="v3",runtime="onnx",sha256="ab"} 1.0
# TYPE process_open_fds gauge
process_open_fds 12.0
"""


def test_only_predict_and_infer_count() -> None:
    assert read_counts(METRICS)["v2"] == Counts(
        requests=101,
        errors=3,
        refused=2,
        latency={0.001: 84, math.inf: 101},
        answers={"0.05": 60, "0.95": 35},
    )


def test_a_release_that_was_asked_nothing_yet_is_there() -> None:
    counts = read_counts(METRICS)
    assert counts["v3"] == Counts()
    assert set(counts) == {"v1", "v2", "v3"}


@pytest.mark.parametrize("text", ["<html>hello</html>", "{not metrics", 'a{release="v} 1'])
def test_what_is_no_metrics_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ServingError, match="is that a driftline server"):
        read_counts(text + "\n")


def metrics(requests: int, release: str = "v1") -> str:
    """The text of a server that answered so many requests."""
    return (
        "# TYPE http_requests_total counter\n"
        f'http_requests_total{{endpoint="predict",code="200",release="{release}"}} {requests}\n'
    )


def readings(*texts: dict[str, str]) -> list[dict[str, int]]:
    """The requests that `Replicas` tells after each of these."""
    left = iter(texts)
    replicas = Replicas(lambda: next(left))
    return [{release: counts.requests for release, counts in replicas().items()} for _ in texts]


def test_a_server_that_vanishes_keeps_what_it_counted() -> None:
    both = {"a": metrics(10), "b": metrics(20)}
    assert readings(both, {"b": metrics(25)}) == [{"v1": 30}, {"v1": 35}]


def test_a_server_that_comes_back_is_not_counted_twice() -> None:
    both = {"a": metrics(10), "b": metrics(20)}
    later = {"a": metrics(12), "b": metrics(26)}
    assert readings(both, {"b": metrics(25)}, later)[-1] == {"v1": 38}


def test_a_server_that_started_anew_adds_to_what_it_counted_before() -> None:
    assert readings({"a": metrics(10)}, {"a": metrics(4)}, {"a": metrics(6)})[-1] == {"v1": 16}


def test_a_release_that_a_server_no_longer_has_is_not_served() -> None:
    before = {"a": metrics(10), "b": metrics(1, "v2")}
    assert readings(before, {"a": metrics(3, "v2"), "b": metrics(2, "v2")})[-1] == {"v2": 5}


def test_without_any_server_there_is_nothing_to_say() -> None:
    with pytest.raises(ServingError, match="no server answers"):
        Replicas(dict)()


STEPS = st.lists(st.tuples(*[st.sampled_from([None, "restart", 0, 1, 5])] * 2), max_size=12)


@given(STEPS)
def test_no_request_is_lost_or_counted_twice(steps: list[tuple[int | str | None, ...]]) -> None:
    """Two servers answer, do not answer a scrape, or start anew right after one."""
    now, started, ended = [0, 0], [0, 0], 0
    texts: dict[str, str] = {}
    replicas = Replicas(lambda: texts)
    for step in [*steps, (0, 0)]:
        texts.clear()
        for place, what in enumerate(step):
            if what == "restart":
                ended, now[place], started[place] = ended + now[place], 0, started[place] + 1
            elif isinstance(what, int):
                now[place] += what
            if what is not None:
                texts[f"server {place}"] = metrics(now[place]) + (
                    "# TYPE process_start_time_seconds gauge\n"
                    f"process_start_time_seconds {started[place]}\n"
                )
        if texts:
            told = replicas()["v1"].requests
    assert told == sum(now) + ended


def test_histograms_of_servers_with_other_bounds_meet_at_those_that_both_have() -> None:
    one = Counts(latency={0.1: 1, 0.2: 2, math.inf: 3})
    other = Counts(latency={0.1: 5, 0.3: 6, math.inf: 7})
    assert (one + other).latency == {0.1: 6, math.inf: 10}
    assert (one + Counts()).latency == one.latency
