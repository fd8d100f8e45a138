"""Schedules on a real Kubeflow Pipelines: what its controller makes of them.

They need CLUSTER_TESTS, and Kubeflow Pipelines in its namespace `kubeflow`. The runs that are
started here are not waited for: what they work on is read from what Kubeflow itself recorded.
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from components.core.errors import DriftlineError
from pipelines.cluster.address import KfpAddress
from pipelines.cluster.connect import connect
from pipelines.cluster.submit import FINAL, ensure_experiment
from pipelines.cluster.versions import ensure_version, version_name
from pipelines.compile import compiled
from pipelines.scheduling.plan import make_plan
from pipelines.scheduling.recurring import Schedules
from tests.pipelines.scheduling.conftest import spec_with

_PATIENCE_S = 180
_EPOCH = "scheduledworkflows.kubeflow.org/workflowEpoch"
_NAMESPACE = "kubeflow"


class Place:
    """A model's schedules on the server."""

    def __init__(self, image):
        self.model = f"test-{uuid.uuid4().hex[:8]}"
        self.client = connect(KfpAddress())
        text = compiled("monitoring", image, spec_with(model=self.model))
        self.version = version_name("driftline-monitoring", text)
        self.ids = ensure_version(self.client, "driftline-monitoring", text)
        self.experiment = ensure_experiment(self.client, f"driftline-{self.model}")
        self.schedules = Schedules(self.client, self.experiment)

    def plan(self, cron, **schedule):
        spec = spec_with(model=self.model, cron=cron, **schedule)
        return make_plan(spec, "monitoring", "s3://mlpipeline/driftline", self.version)

    def apply(self, cron, **schedule):
        return self.schedules.apply(self.plan(cron, **schedule), *self.ids)

    def runs(self):
        return self.client.list_runs(experiment_id=self.experiment, page_size=100).runs or []

    def clear(self):
        self.schedules.delete(f"{self.model}-monitoring")
        for run in self.runs():
            if run.state not in FINAL:
                self.client.terminate_run(run.run_id)
            self.client.delete_run(run.run_id)
        self.client.delete_experiment(self.experiment)


@pytest.fixture
def place(client):
    import os

    try:
        found = Place(os.environ.get("CLUSTER_TESTS_IMAGE", "driftline:test"))
    except DriftlineError as error:
        pytest.skip(f"no Kubeflow Pipelines on this cluster: {error}")
    yield found
    found.clear()


def workflows(client, place):
    """The workflows that the model's schedules started, the oldest first."""
    found = client.CustomObjectsApi().list_namespaced_custom_object(
        "argoproj.io", "v1alpha1", _NAMESPACE, "workflows"
    )["items"]
    mine = [each for each in found if each["metadata"]["name"].startswith(place.model)]
    return sorted(mine, key=lambda each: each["metadata"]["creationTimestamp"])


def until(condition):
    deadline = time.monotonic() + _PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(1)
    return value


def test_a_schedule_is_made_once_replaced_paused_and_deleted(place):
    first = place.apply("0 0 6 * * *")
    again = place.apply("0 0 6 * * *")
    assert (first.outcome, again.outcome) == ("created", "unchanged")
    assert again.recurring.id == first.recurring.id

    place.schedules.pause(first.recurring)
    # Kubeflow's agent may still report the state before it, once.
    until(lambda: [place.schedules.named()[0].enabled for _ in range(5)] == [False] * 5)
    changed = place.apply("0 0 7 * * *")
    assert (changed.outcome, changed.recurring.enabled) == ("replaced", False)
    place.schedules.resume(changed.recurring)

    (there,) = place.schedules.named()
    assert (there.id, there.cron, there.enabled) == (changed.recurring.id, "0 0 7 * * *", True)
    assert place.schedules.delete(there.name) == [there.id]
    assert place.schedules.named() == []


def test_applies_at_once_end_with_one_schedule(place):
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda hour: place.apply(f"0 0 {hour} * * *"), range(4)))

    assert len(outcomes) == 4
    assert len(place.schedules.named()) == 1


def test_a_run_has_its_scheduled_time_and_outlives_its_schedule(place, client):
    place.apply("*/10 * * * * *", window="10s", delay="0s")
    first = until(lambda: workflows(client, place))[0]

    at = datetime.fromtimestamp(int(first["metadata"]["labels"][_EPOCH]), UTC)
    rule = spec_with(model=place.model, cron="*/10 * * * * *", window="10s", delay="0s").rule(
        "monitoring"
    )
    assert at.second % 10 == 0
    assert rule.window(at).end == at
    # However late the step starts: within the period the scheduled time is the same.
    assert rule.window(at + timedelta(seconds=9)) == rule.window(at)

    place.apply("0 0 6 * * *")
    # One at a time, and the one in progress is not collected with what started it.
    present = workflows(client, place)
    assert [each["metadata"]["name"] for each in present] == [first["metadata"]["name"]]
    until(lambda: not workflows(client, place)[0]["metadata"].get("ownerReferences"))
    assert "deletionTimestamp" not in workflows(client, place)[0]["metadata"]
