"""A run is submitted once, whatever happens to the requests and whoever asks at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.core.errors import ClusterError, SpecError, UsageError
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.stop import stop_run
from pipelines.cluster.submit import submit

GIVEN = {"spec": "{}", "store": "s3://b/d", "end": "2013-04-01", "run": "r"}


@pytest.fixture
def send(client, training, patience):
    def sent(name="r", again=lambda: None, **changes):
        given = {**GIVEN, **changes}
        return submit(client, training, name, "flights", given, patience, again)

    return sent


def test_a_run_gets_its_name_its_parameters_and_its_models_experiment(kfp, send):
    sent = send()
    (run,) = kfp.runs.values()
    (experiment,) = kfp.experiments.values()
    assert (run["display_name"], sent.run_id, sent.found) == ("r", run["run_id"], False)
    assert run["runtime_config"]["parameters"] == GIVEN
    assert experiment["display_name"] == sent.experiment == "driftline-flights"
    assert kfp.versions[sent.version]["description"] == "driftline:1"
    assert run["service_account"] == "driftline-runner"


def test_the_same_name_is_the_same_run_until_it_fails(kfp, send):
    first = send()
    again = send()
    assert (again.run_id, again.found) == (first.run_id, True)
    kfp.runs[first.run_id]["state"] = "SUCCEEDED"
    assert send().run_id == first.run_id
    kfp.runs[first.run_id]["state"] = "FAILED"
    forgotten = []
    later = send(again=lambda: forgotten.append(len(kfp.runs)))
    assert forgotten == [1]  # before the second run began
    assert (later.run_id != first.run_id, later.found) == (True, False)
    assert send().run_id == later.run_id


def test_the_same_name_for_something_else_is_refused(send):
    send()
    with pytest.raises(
        UsageError, match="a run 'r' already, whose end is not this one's; choose another"
    ):
        send(end="2013-05-01")
    assert not send("R").found  # the database does not tell the two apart; we do


@pytest.mark.parametrize("kind", ["lost", "reset", 503])
@pytest.mark.parametrize("part", ["/runs", "/experiments"])
def test_a_request_without_an_answer_does_not_double_the_run(kfp, send, kind, part):
    kfp.fault("POST", part, kind, times=2)
    assert not send().found
    assert (len(kfp.runs), len(kfp.experiments)) == (1, 1)


def test_a_failed_run_is_not_taken_for_the_one_that_got_no_answer(kfp, send):
    first = send()
    kfp.runs[first.run_id]["state"] = "FAILED"
    kfp.fault("POST", "/runs", "lost")
    assert send().run_id != first.run_id
    assert len(kfp.runs) == 2


def test_two_at_once_leave_one_run(kfp, training, patience):
    clients = [connect(KfpAddress(host=kfp.url)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        sent = list(
            pool.map(lambda each: submit(each, training, "r", "flights", GIVEN, patience), clients)
        )
    alive = [run for run in kfp.runs.values() if run["state"] == "PENDING"]
    assert [run["run_id"] for run in alive] == sorted({each.run_id for each in sent})


def test_what_the_server_refuses_is_told(kfp, send):
    with pytest.raises(ClusterError, match=r"creating the run.*unknown: noise|noise"):
        send(noise="x")
    kfp.fault("POST", "/runs", 403, body={"code": 7, "message": "User 'dora' may not create"})
    with pytest.raises(ClusterError, match=r"does not allow creating the run r: User 'dora'"):
        send()


def test_a_spec_that_no_step_can_be_given_is_refused_before(kfp, send):
    with pytest.raises(SpecError, match=r"takes 90,002 bytes.*80,000"):
        send(spec="x" * 90_000)
    assert kfp.requests == [("GET", "/apis/v2beta1/healthz")]


def test_a_run_is_stopped_by_name_or_id(kfp, client, send):
    sent = send()
    assert "is being stopped" in stop_run(client, "r")
    assert kfp.runs[sent.run_id]["state"] == "CANCELING"
    assert [client.get_run(sent.run_id).state for _ in range(2)] == ["CANCELING", "FAILED"]
    assert "has ended already: failed" in stop_run(client, sent.run_id)
    for nobody in ("s", sent.run_id[:-1] + ("0" if sent.run_id[-1] != "0" else "1")):
        with pytest.raises(UsageError, match="there is no run"):
            stop_run(client, nobody)
