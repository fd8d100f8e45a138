"""A run is followed to its end: what its steps do, why it failed, and what stands in its way."""

import pytest

from components.core.errors import ClusterError
from components.core.journal import Journal
from components.core.storage import Store
from components.core.window import Window
from components.spec.load import load_spec
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.follow import step_names
from pipelines.cluster.run import ClusterRun, RunFailedError, wait
from pipelines.cluster.run_pods import RunPods
from pipelines.cluster.stop import stop_run
from pipelines.cluster.submit import submit
from pipelines.runs import RunRequest

FLIGHTS = "pipelines/specs/flights.yaml"


class Pods(RunPods):
    """What a cluster would tell of the pods."""

    def __init__(self, *troubles, log="", passes=False):
        self._troubles, self._log_text, self._passes = list(troubles), log, passes

    def troubles(self):
        self._troubles = self._troubles[1:] + self._troubles[:1]
        return dict.fromkeys(self._troubles[:1], self._passes)

    def tail(self, task, details):
        return f"{self._log_text}\nthe last words of {task.display_name}"


@pytest.fixture
def started(kfp, client, monitoring, patience, tmp_path):
    request = RunRequest(
        "monitoring", load_spec(FLIGHTS), str(tmp_path / "s"), Window.parse("2013-05"), "r"
    )
    given = request.parameters()
    sent = submit(client, monitoring, "r", "flights", given, patience)
    return ClusterRun(client, KfpAddress(host=kfp.url), request, sent, step_names(monitoring))


@pytest.fixture
def told():
    return []


@pytest.fixture
def ended(started, told, patience):
    def followed(*troubles, **more):
        tell = lambda step, word: told.append((step, word))  # noqa: E731
        return wait(started, tell, Pods(*troubles, **more), patience)

    return followed


def journal(started):
    return Journal(Store(started.request.store), "flights", "r")


def test_each_step_is_told_when_it_begins_and_when_it_is_done(kfp, started, ended, told):
    kfp.acts.conditions["retrain"] = False
    with journal(started).step("decide", "w") as say:
        say("none", "nothing drifted")
    result = ended()
    assert [entry.headline for entry in result.entries] == ["nothing drifted"]
    steps = [step for step, word in told if word == "running"]
    assert steps[:2] == ["ingest", "ingest-2"]
    assert steps[-2:] == ["decide", "notify"]
    assert not {"check-and-decide", "ingest-driver", "executor", "train"} & set(steps)
    assert {step for step, word in told if word.startswith("done in")} == set(steps)


def test_a_failure_is_told_by_the_step_itself(kfp, started, ended):
    kfp.acts.fails.add("check-drift")
    with pytest.raises(ValueError, match="no"), journal(started).step("check_drift", "w"):
        raise ValueError("no such column")
    with pytest.raises(RunFailedError, match=r"check_drift: ValueError: no such column.*#/runs/"):
        ended()


class Argo:
    """A cluster whose workflow could make no pod; the message is a real one."""

    def find(self, kind, selector):
        assert (kind, selector) == ("Workflow", "pipeline/runid=7")
        message = (
            'pods "a-1" is forbidden: error looking up service account kubeflow/nobody: '
            'serviceaccount "nobody" not found'
        )
        nodes = {
            "a": {"phase": "Error", "message": "No more retries left"},
            "b": {"phase": "Omitted"},
            "c": {"phase": "Error", "message": message},
        }
        return [{"status": {"nodes": nodes}}]


def test_why_no_pod_was_made_is_told_with_what_mends_it(client):
    said = RunPods(client, "7", Argo()).refused()
    assert said.startswith('pods "a-1" is forbidden: error looking up service account')
    assert said.endswith("DRIFTLINE_KFP_SERVICE_ACCOUNT names another")
    assert RunPods(client, "7", None).refused() == ""


def test_where_the_journal_is_silent_the_log_speaks(kfp, ended, told):
    kfp.acts.fails.add("ingest")
    with pytest.raises(RunFailedError, match="ingest failed: the last words of ingest") as failed:
        ended(log="Traceback")
    assert failed.value.log.startswith("Traceback")
    assert any(word.startswith("failed after") for _, word in told)
    assert ("notify", "running") in told


def test_a_run_that_is_stopped_meanwhile_is_told(client, started, ended):
    stop_run(client, "r")
    with pytest.raises(RunFailedError, match="the run was stopped"):
        ended()


def test_a_server_that_restarts_in_the_middle_is_waited_for(kfp, ended, told):
    for kind in ("reset", 503, "lost"):
        kfp.fault("GET", "/runs/", kind, times=2)
    ended()
    assert any("503" in word for step, word in told if not step)


def test_a_server_that_stays_away_is_told(kfp, ended):
    kfp.fault("GET", "/runs/", 503, times=999)
    with pytest.raises(ClusterError, match="failed while looking at the run"):
        ended()


def test_what_keeps_a_pod_from_beginning_is_told_and_ends_the_wait(kfp, ended, told, monkeypatch):
    monkeypatch.setattr("pipelines.cluster.follow._STUCK_S", 20)
    kfp.acts.stuck.add("ingest")
    by_turns = [f"pod p, container main: {word}" for word in ("ErrImagePull", "ImagePullBackOff")]
    with pytest.raises(RunFailedError, match=r"Image\w+.*'driftline stop r'"):
        ended(*by_turns)
    assert sorted(word for step, word in told if not step) == by_turns


def test_a_pod_that_finds_no_node_yet_is_waited_for(kfp, ended, told, monkeypatch):
    monkeypatch.setattr("pipelines.cluster.follow._STUCK_S", 20)
    ended("pod p finds no node", passes=True)  # a run takes longer than that
    assert told.count(("", "pod p finds no node")) == 1


def test_a_store_out_of_reach_is_said_and_is_no_failure(kfp, started, told, patience, monkeypatch):
    def away(self):
        raise ClusterError("the tunnel is closed")

    monkeypatch.setattr(Journal, "entries", away)
    result = wait(started, lambda step, word: told.append((step, word)), Pods(), patience)
    assert result.line == "the run succeeded"
    assert "out of reach from here: the tunnel is closed" in told[-1][1]


def test_without_a_kubeconfig_the_log_comes_from_kubeflow(kfp, started, told, patience):
    kfp.acts.fails.add("ingest-2")
    noise = "I1127 23:04:27.4 16 launcher_v2.go:206] publish success.\nError: exit status 1\n"
    kfp.logs["-retry-system-container-impl-"] = f"Traceback\nDataError: no rows\n{noise}"
    pods = RunPods(started.client, started.submitted.run_id, None)
    with pytest.raises(RunFailedError, match=r"ingest-2 failed: DataError: no rows \(") as failed:
        wait(started, lambda step, word: told.append((step, word)), pods, patience)
    assert failed.value.log == "Traceback\nDataError: no rows"
