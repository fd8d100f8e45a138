"""What a real server counts is what the guard reads, and enough to send a release back."""

import math
import threading
from contextlib import contextmanager

from components.release.counts import Counts, read_counts
from components.release.guard import watch
from components.release.scrape import scrape_servers, server_scrape
from components.serving.client import ServingClient
from components.serving.loader import load_model
from components.spec.model import Guard

ROW = {"load": 0.5, "age": 12, "site": "north", "shift": "day"}


def rows(count):
    """Rows whose answers are spread over many cells."""
    return [{**ROW, "load": place / count * 4 - 2, "age": place % 40} for place in range(count)]


def test_the_guard_reads_what_the_server_counted(served, live):
    model = served("binary")
    with live(model) as client:
        address = f"http://127.0.0.1:{client.port}"
        assert scrape_servers([address]) == {model.release: Counts()}
        client.predict(rows(30))
        client.predict(rows(10))
        client.request("POST", "/predict", b'{"rows": [{"load": "heavy"}]}')
        client.request("POST", "/predict", b"nonsense")
        client.request("GET", "/v2/health/ready")
        counts = scrape_servers([address])[model.release]
    assert (counts.requests, counts.errors, counts.refused, counts.rows) == (4, 0, 2, 40)
    assert counts.latency[math.inf] == 4
    assert len(counts.answers) > 3


@contextmanager
def asking(client):
    """Keep asking a server in a thread, one row at a time."""
    ended = threading.Event()

    def ask():
        with ServingClient("127.0.0.1", client.port) as own:
            for row in rows(100) * 1000:
                if ended.is_set():
                    return
                own.predict([row])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_release_that_answers_everything_alike_is_sent_back(releases, served, live, eventually):
    champion = served("binary")
    other = load_model(
        releases("binary", estimator="sklearn.dummy.DummyClassifier", version="2024-03-10-all")
    )
    with live(champion) as client, asking(client):
        scrape = server_scrape(lambda: [f"http://127.0.0.1:{client.port}"])
        before = eventually(lambda: enough(scrape(), champion.release), timeout=60)
        client.app.state.switch(other)
        judgement = watch(
            scrape,
            champion=before[champion.release],
            challenger=other.release,
            since=before.get(other.release, Counts()),
            guard=Guard(period="60s"),
        )
    assert judgement.verdict == "breached"
    assert "answers moved away from the champion's" in judgement.reasons[0]


def enough(counts, release):
    return counts if counts[release].requests > 100 else None


def test_metrics_of_the_server_say_when_it_started(served, live):
    with live(served("binary")) as client:
        text = client.request("GET", "/metrics")[-1].decode()
    assert "process_start_time_seconds" in text
    assert read_counts(text)
