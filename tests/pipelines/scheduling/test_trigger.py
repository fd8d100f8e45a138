import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import ClusterError, UsageError
from components.core.storage import Store
from components.core.window import Window
from components.decision.asked import AskedRuns
from components.decision.record import retrainings
from pipelines.cluster.refusals import UnreachedError
from pipelines.runs import RunRequest
from pipelines.scheduling import carrying_out
from pipelines.scheduling.asking import Reader
from pipelines.scheduling.carrying_out import Desk, Here, StoppedError
from pipelines.scheduling.trigger import LARGEST_BODY, Trigger, serve
from tests.pipelines.scheduling.conftest import spec_with

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
NIGHT = "2026-06-15T03:00:00.123456789Z"
GO_ZERO = "0001-01-01T00:00:00Z"


def alert(name="LatencyHigh", starts=NIGHT, status="firing", **annotations):
    return {
        "status": status,
        "labels": {"alertname": name},
        "annotations": annotations,
        "startsAt": starts,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{name}-{starts}",
    }


def group(*alerts):
    return {
        "version": "4",
        "groupKey": '{}:{alertname="LatencyHigh"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "driftline",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(alerts),
    }


class Carrier:
    """Keeps what it is to start; at first it may be out of reach."""

    def __init__(self, away=0, why=UnreachedError):
        self.started, self.away, self.why = [], away, why

    def __call__(self, request):
        if self.away:
            self.away -= 1
            raise self.why("nobody answers, or knows who asks")
        self.started.append(request)
        return "submitted", "page"


def desk_at(folder, carrier=None, **policy):
    spec = spec_with(window="day").model_copy(update=policy)
    return Desk(spec, str(folder / "store"), carrier or Carrier(), sweep_s=0.02)


@contextmanager
def client_of(desk, pipeline="monitoring", token_file=None):
    """A client of the real server."""
    app = Trigger(desk, Reader(desk.spec, pipeline), token_file).app()
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        with httpx.Client(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60
        ) as client:
            yield client
        server.should_exit = True
        thread.join()


def names(desk):
    return [request.name for request in desk.carry.started]


@pytest.fixture
def desk(tmp_path):
    return desk_at(tmp_path)


def test_an_alert_starts_the_run_of_the_window_that_was_complete_when_it_began(desk, eventually):
    with client_of(desk) as client:
        answer = client.post("/alertmanager", json=group(alert(summary="p99 above 1 s")))

        assert answer.status_code == 202
        (run,) = answer.json()["runs"]
        assert run["window"] == "2026-06-14..2026-06-15"
        assert run["reason"] == f"LatencyHigh since {NIGHT}: p99 above 1 s"
        eventually(lambda: client.get(f"/run/{run['run']}").json()["state"] == "submitted")
        assert client.get("/run/another").status_code == 404
    (request,) = desk.carry.started
    assert (request.name, str(request.window)) == (run["run"], run["window"])


def test_a_resolved_alert_starts_nothing(desk):
    with client_of(desk) as client:
        answer = client.post("/alertmanager", json=group(alert(status="resolved")))

    assert (answer.status_code, answer.json()) == (200, {"runs": []})
    assert names(desk) == []


def test_groups_that_are_sent_again_or_grow_start_nothing_new(desk):
    with client_of(desk) as client:
        assert client.post("/alertmanager", json=group(alert())).status_code == 202
        for again in (
            group(alert()),
            group(alert(), alert("ErrorsHigh", "2026-06-15T04:00:00Z")),
            group(alert(status="resolved"), alert("ErrorsHigh", "2026-06-15T04:00:00Z")),
        ):
            answer = client.post("/alertmanager", json=again)
            assert (answer.status_code, answer.json()["runs"][0]["new"]) == (200, False)
        assert client.post("/alertmanager", json=group(alert(starts="2026-06-13T01:00:00Z")))

    desk.sweep()
    assert sorted(names(desk)) == [
        "alert-monitoring-2026-06-12_2026-06-13",
        "alert-monitoring-2026-06-14_2026-06-15",
    ]


def test_callers_at_the_same_moment_in_two_processes_get_one_run(tmp_path):
    carrier = Carrier()
    desks = [desk_at(tmp_path, carrier) for _ in range(2)]
    gate, answers = threading.Barrier(8), []

    def take(desk):
        asked = Reader(desk.spec).alerts(group(alert()), NOON)[0]
        gate.wait()
        answers.append(desk.take(asked)[0])

    threads = [threading.Thread(target=take, args=(desks[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desks[0].sweep()
    desks[1].sweep()

    assert sorted(answers) == [False] * 7 + [True]
    assert len(carrier.started) == 1


def test_a_run_that_was_taken_before_a_crash_is_started_afterwards(tmp_path):
    crashed = desk_at(tmp_path)
    crashed.take(Reader(crashed.spec).alerts(group(alert()), NOON)[0])

    later = desk_at(tmp_path)
    later.sweep()
    later.sweep()

    assert names(later) == ["alert-monitoring-2026-06-14_2026-06-15"]


@pytest.mark.parametrize("why", [UnreachedError, ClusterError])
def test_a_cluster_that_takes_no_run_now_gets_it_later(tmp_path, why):
    desk = desk_at(tmp_path, Carrier(away=2, why=why))
    desk.take(Reader(desk.spec).alerts(group(alert()), NOON)[0])

    desk.sweep()
    desk.sweep()
    assert names(desk) == []
    desk.sweep()
    assert len(names(desk)) == 1


def test_retraining_keeps_within_the_cooldown_and_says_why_not(tmp_path, eventually):
    desk = desk_at(tmp_path, policy=spec_with().policy.model_copy(update={"cooldown": "30d"}))
    with client_of(desk, "training") as client:
        first = client.post("/alertmanager", json=group(alert()))
        eventually(lambda: names(desk))
        later = client.post("/alertmanager", json=group(alert(starts="2026-06-20T00:00:00Z")))

    assert first.status_code == later.status_code == 202
    (declined,) = later.json()["runs"]
    assert declined["state"] == "declined"
    assert "within the cooldown of 30d" in declined["sentence"]
    assert names(desk) == ["alert-training-2026-06-14_2026-06-15"]
    assert [each.run for each in retrainings(Store(desk.store), "orders")] == names(desk)
    (request,) = desk.carry.started
    assert (request.window.end - request.window.start).days == 90


def post(client, body, key="job-1", **headers):
    return client.post("/run", content=body, headers={"Idempotency-Key": key, **headers})


def test_a_ci_job_gets_one_run_for_its_key(desk):
    wish = json.dumps({"pipeline": "monitoring", "window": "2026-05", "reason": "a new source"})
    with client_of(desk) as client:
        first, again = post(client, wish), post(client, wish)
        other = post(client, wish.replace("2026-05", "2026-04"))
        missing = client.post("/run", content=wish)

    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["run"] == again.json()["run"]
    assert (other.status_code, missing.status_code) == (409, 400)
    assert "take a new one" in other.json()["error"]
    assert "Idempotency-Key" in missing.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/alertmanager", "[", 400, "no JSON"),
        ("/alertmanager", "[]", 400, "version 4"),
        ("/alertmanager", json.dumps(group() | {"version": "3"}), 400, "version"),
        ("/alertmanager", json.dumps(group(alert(starts="soon"))), 400, "'soon' is not a time"),
        ("/alertmanager", json.dumps(group(alert(starts=GO_ZERO))), 400, "too early"),
        ("/alertmanager", "x" * (LARGEST_BODY + 1), 413, "larger"),
        (
            "/run",
            '{"pipeline": "training", "reason": "x", "window": "0001-01"}',
            400,
            "too early",
        ),
        ("/run", '{"pipeline": "all", "reason": "x"}', 400, "pipeline"),
        ("/run", '{"pipeline": "training", "reason": ""}', 400, "reason"),
        ("/run", '{"pipeline": "training", "reason": "x", "month": 5}', 400, "month"),
        ("/run", '{"pipeline": "training", "reason": "x", "window": "may"}', 400, "'may' is not"),
        (
            "/run",
            '{"pipeline": "monitoring", "reason": "x", "window": "2999-01"}',
            400,
            "has not ended yet",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said(desk, path, body, status, words):
    with client_of(desk) as client:
        answer = client.post(path, content=body, headers={"Idempotency-Key": "1"})

    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert AskedRuns(Store(desk.store), "orders").open() == []


def test_only_who_brings_the_token_starts_runs(desk, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("secret\n")
    with client_of(desk, token_file=token_file) as client:
        without = client.post("/alertmanager", json=group(alert()))
        wrong = client.post(
            "/alertmanager", json=group(alert()), headers={"Authorization": "Bearer no"}
        )
        token_file.write_text("renewed")
        right = client.post(
            "/alertmanager", json=group(alert()), headers={"Authorization": "Bearer renewed"}
        )
        healthy = client.get("/healthz")

    assert (without.status_code, wrong.status_code) == (401, 401)
    assert (right.status_code, healthy.status_code) == (202, 200)


def test_a_store_that_cannot_be_written_asks_the_caller_to_come_again(tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with client_of(desk_at(tmp_path)) as client:
        answer = client.post("/alertmanager", json=group(alert()))

    assert answer.status_code == 503


def test_a_run_that_cannot_be_judged_now_holds_up_no_other(tmp_path, monkeypatch, eventually):
    def away(*_):
        raise ClusterError("the cluster cannot be reached")

    monkeypatch.setattr(carrying_out, "grant", away)
    desk = desk_at(tmp_path)
    with client_of(desk) as client:
        answer = post(client, '{"pipeline": "training", "reason": "x"}', key="1")
        post(client, '{"pipeline": "monitoring", "reason": "x"}', key="2")
        eventually(lambda: names(desk))

    assert (answer.status_code, answer.json()["error"]) == (503, "the cluster cannot be reached")
    assert [each.pipeline for each in AskedRuns(Store(desk.store), "orders").open()] == ["training"]


def test_a_page_in_a_browser_starts_nothing(desk):
    with client_of(desk) as client:
        page = {"Origin": "http://elsewhere", "Content-Type": "text/plain"}
        answer = client.post("/alertmanager", content=json.dumps(group(alert())), headers=page)

    assert answer.status_code == 403
    assert AskedRuns(Store(desk.store), "orders").open() == []


@pytest.mark.parametrize("ending", [".outcome", "%00", "x" * 300])
def test_only_runs_are_told_about(desk, ending):
    with client_of(desk) as client:
        run = client.post("/alertmanager", json=group(alert())).json()["runs"][0]["run"]
        answer = client.get(f"/run/{run}{ending}")

    assert answer.status_code == 404


def test_the_run_in_progress_is_ended_with_its_steps(tmp_path, monkeypatch, eventually):
    """Its steps are processes of their own, which nobody but the signal reaches."""
    begun = tmp_path / "begun"
    (tmp_path / "a_step.py").write_text(
        f"import pathlib, signal, sys\npathlib.Path({str(begun)!r}).touch()\nsignal.pause()\n"
    )
    (tmp_path / "a_run.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'a_step'])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(carrying_out.alone, "__name__", "a_run")
    here = Here()
    spec, window = desk_at(tmp_path).spec, Window.parse("2026-05")
    request = RunRequest("training", spec, str(tmp_path / "store"), window, "ended")

    def end():
        eventually(begun.exists)
        here.stop()

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(StoppedError):
        here(request)
    thread.join()


def test_it_does_not_listen_to_everybody_without_a_token(desk):
    with pytest.raises(UsageError, match="give a --token-file"):
        serve(Trigger(desk, Reader(desk.spec)), "192.0.2.1", 0, lambda: None)


HOURS = st.integers(0, 80).map(lambda hour: f"2026-06-{12 + hour // 24:02d}T{hour % 24:02d}:00:00Z")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.tuples(HOURS, st.booleans()), max_size=4), min_size=1, max_size=6))
def test_whatever_is_sent_however_often_each_window_has_one_run(tmp_path_factory, sent):
    desk = desk_at(tmp_path_factory.mktemp("trigger"))
    reader = Reader(desk.spec)
    wanted = set()
    for alerts in sent:
        content = group(
            *(alert(starts=at, status="firing" if on else "resolved") for at, on in alerts)
        )
        wanted |= {at[:10] for at, on in alerts if on}
        for asked in reader.alerts(content, NOON.replace(day=20)):
            desk.take(asked)
        desk.sweep()

    assert len(names(desk)) == len(set(names(desk))) == len(wanted)


def test_a_call_asks_for_so_many_windows_and_no_more():
    days = [alert(starts=f"2026-0{1 + day // 28}-{1 + day % 28:02}T03:00:00Z") for day in range(51)]

    with pytest.raises(UsageError, match="began in 51 windows, and one call may ask for 50"):
        Reader(spec_with()).alerts(group(*days), NOON)


def test_a_reason_is_one_line_without_escapes():
    wish = {"pipeline": "training", "reason": "new\x1b[31m source\nof rows"}

    assert Reader(spec_with()).wish(wish, "job-1", NOON).reason == "new [31m source of rows"


def test_a_damaged_record_leaves_the_others_alone(tmp_path):
    store = Store(tmp_path)
    runs = AskedRuns(store, "orders")
    for run in ("job-1", "job-2"):
        wish = Reader(spec_with()).wish({"pipeline": "training", "reason": "x"}, run, NOON)
        assert runs.add(wish.model_copy(update={"run": run}))
    store.write("orders/asked/job-1.json", b"{")

    assert [asked.run for asked in runs.open()] == ["job-2"]
