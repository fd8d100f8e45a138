"""kill -9 before every step of a deployment, while a server follows it."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from components.core.storage import Store
from components.release.collect import collect
from components.release.deployment import DeploymentRecord
from components.release.local import LocalTarget
from components.release.servers import Servers
from tests.components.test_overtaken import make_candidate
from tests.crashing import PACE, UNGUARDED, crashing, whole_step
from tests.following import following
from tests.rollouts import asked_rows, build
from tests.worlds import make_world

# Of the steps of a whole deployment, one in so many, which meets each kind of step several times.
EVERY = int(os.environ.get("EVERY_STEP", "13"))


@pytest.fixture(scope="module")
def crash():
    with crashing() as process:
        yield process


@pytest.fixture
def world(tmp_path):
    gate = {"min_rows": 200, "margin": 0.9, "slice_margin": 0.9}
    return make_world(tmp_path / "world", gate=gate, serving={"guard": {"period": "0s"}})


@pytest.fixture
def target(world):
    return LocalTarget(Store(world.store), "orders", UNGUARDED, PACE)


def answers_with(server):
    with server.client() as client:
        status, _, body = client.request("GET", "/v2/health/ready")
    assert status == 200
    return json.loads(body)["release"]


def test_whenever_a_deployment_is_killed_one_valid_champion_serves(
    world, target, crash, eventually
):
    rows = asked_rows(3)
    first = build(world, "2024-01..2024-03", rows).version
    second = build(world, "2024-02..2024-04", rows).version
    target.deploy(first, expected=None, run="first", reason="")
    steps, seen = 0, set()
    with following(target._store) as server:
        while True:
            steps += 1
            ended = crash.deploy(
                steps, store=world.store, version=second, expected=target.current().version
            )
            assert target.champion().version in ((first, second) if ended.killed else (second,))
            assert answers_with(server) in (first, second)
            # Nobody starts anything: the server itself ends what was left behind.
            eventually(lambda: target.status().settled)
            assert answers_with(server) == target.champion().version
            if not ended.killed:
                break
            seen.add(ended.where.split()[0])
            if target.current().version != second:
                entry = target.deploy(second, expected=first, run="next", reason="")
                assert entry.version == answers_with(server) == second
            target.rollback(run="test", reason="")
            assert answers_with(server) == first
    assert steps > 25
    assert {"exists", "read", "write", "replace", "names", "answering"} <= seen


def test_whenever_the_whole_step_is_killed_the_next_start_repairs_the_rest(
    world, target, crash, eventually
):
    place = target._store
    first = build(world, "2024-01..2024-02", asked_rows(3)).version
    target.deploy(first, expected=None, run="first", reason="")
    candidate = make_candidate(world, "again", "2024-01-01", "2024-03-01")
    request = {"spec": world.text, "store": world.store, "folder": str(candidate.folder)}
    assert crash.deploy("/training.json", whole=True, run="abandoned", **request).killed
    steps = 1
    with following(place) as server:
        while True:
            before = target.current().version
            run = f"run-{steps}"
            ended = crash.deploy(steps, whole=True, run=run, **request)
            assert target.champion().version == target.current().version
            eventually(lambda: target.status().settled)
            assert answers_with(server) == target.current().version
            if not ended.killed:
                break
            whole_step(run=run, **request)
            current = target.current()
            assert current.run == run
            assert answers_with(server) == current.version
            assert [entry.run for entry in target.history()].count(run) == 1
            target.rollback(before, run="test", reason="")
            steps += EVERY
    assert steps > 100
    later = datetime.now(UTC) + timedelta(days=8)
    found = collect(target, place, "orders", keep=1, now=later)
    assert len(found.incomplete) == 1, "it was killed while it published"
    assert target.releases.versions() == [target.current().version]
    assert place.children("orders/releases") == target.releases.versions()
    assert place.leftovers() == []
    assert DeploymentRecord(place, "orders").read().underway is None
    assert Servers(place, "orders").all() == []
