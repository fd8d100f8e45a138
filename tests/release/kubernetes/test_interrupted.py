"""A process that deploys may die at any request; whoever comes next finds one valid champion."""

import pytest

from components.core.errors import ConflictError, ReleaseError
from components.release.kubernetes.cluster import Cluster
from components.release.kubernetes.connect import connect
from components.release.kubernetes.names import FIRST_MANAGER


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


class MortalCluster(Cluster):
    """Dies at the n-th request, before or after the server got it, and stays dead."""

    def __init__(self, world, at, after):
        super().__init__(connect(), "driftline-development", world.cluster.time)
        self.left = at
        self.after = after

    def _call(self, asked, once, patience_s=None):
        self.left -= 1
        if self.left == 0 and self.after:
            super()._call(asked, once, patience_s)
        if self.left <= 0:
            raise Killed
        return super()._call(asked, once, patience_s)


def kill(world, at, after=True, **changes):
    """Deploy v2 over v1 and die; returns whether it came so far as to die."""
    target = world.target(**changes)
    target._connect = lambda: MortalCluster(world, at, after)
    try:
        world.deploy("v2", "v1", target=target, run="doomed")
    except Killed:
        return True
    return False


def requests_of_a_deployment(world, **changes):
    target = world.target(**changes)
    mortal = MortalCluster(world, 10**9, True)
    target._connect = lambda: mortal
    world.deploy("v2", "v1", target=target)
    return 10**9 - mortal.left


def check_one_valid_champion(world):
    current = world.target().current()
    assert current.version in ("v1", "v2")
    assert set(world.cluster.serving()) <= {"v1", "v2"}
    assert len(world.cluster.serving()) >= 2
    return current.version


def finish(world, champion):
    """Whoever comes later deploys v3, and everything is in order."""
    world.cluster.advance(130)
    world.deploy("v3", champion, run="later")
    world.cluster.advance(10)
    assert world.cluster.serving() == ["v3", "v3"]
    assert world.target().status().settled
    assert world.cluster.deployment("driftline-flights-canary") is None
    assert world.versions() == (["v1", "v3"] if champion == "v1" else ["v1", "v2", "v3"])


STEPS = [0.1, 0.3, 0.45, 0.55, 0.8, 0.95]


@pytest.mark.parametrize("changes", [{}, {"canary": 0.3}], ids=["plain", "canary"])
@pytest.mark.parametrize("share", STEPS)
def test_death_at_any_step_leaves_one_champion_and_the_next_repairs_the_rest(world, share, changes):
    world.deploy("v1", None)
    total = {False: 30, True: 60}[bool(changes)]
    kill(world, max(1, round(total * share)), **changes)

    finish(world, check_one_valid_champion(world))


@pytest.mark.parametrize("share", STEPS)
def test_the_same_run_carries_on_where_it_died(world, share):
    world.deploy("v1", None)
    kill(world, max(1, round(30 * share)))
    champion = check_one_valid_champion(world)

    world.deploy("v2", champion, run="doomed")

    assert world.cluster.serving() == ["v2", "v2"]
    assert world.target().status().settled
    assert world.versions() == ["v1", "v2"]
    assert len(world.cluster.store.all("replicasets")) == 2  # it was not begun anew
    assert world.rollback().version == "v1"


def in_the_middle(world):
    world.deploy("v1", None)
    assert kill(world, 18)
    world.cluster.advance(30)  # the cluster goes on by itself
    assert world.cluster.serving() == ["v2", "v2"]


def test_whoever_looks_is_told_that_a_rollout_was_interrupted(world):
    in_the_middle(world)
    status = world.target().status()
    assert (status.champion, status.settled) == ("v1", False)
    assert status.note == "v2 is being rolled out by run doomed"

    world.cluster.advance(120)

    assert "the rollout of v2 by run doomed was interrupted" in world.target().status().note


def test_for_two_minutes_nobody_else_may_deploy(world):
    in_the_middle(world)

    with pytest.raises(ConflictError, match="v2 is being rolled out by run doomed"):
        world.deploy("v3", "v1")


def test_a_rollback_undoes_an_interrupted_rollout_at_once(world):
    in_the_middle(world)

    assert world.rollback().version == "v1"

    assert world.cluster.serving() == ["v1", "v1"]
    assert world.target().current().version == "v1"
    assert world.target().status().settled


def test_the_next_deployment_undoes_it_first(world):
    in_the_middle(world)
    world.cluster.advance(130)

    world.deploy("v3", "v1")

    assert "the rollout of v2 by run doomed was interrupted; it is undone" in world.said
    assert world.versions() == ["v1", "v3"]


def die_in_the_first(world, at):
    target = world.target()
    target._connect = lambda: MortalCluster(world, at, True)
    with pytest.raises(Killed):
        world.deploy("v1", None, target=target, run="doomed")


@pytest.mark.parametrize("at", [6, 7, 8, 12])
def test_the_same_run_carries_a_first_deployment_on(world, at):
    die_in_the_first(world, at)

    world.deploy("v1", None, run="doomed")

    assert world.versions() == ["v1"]
    assert len(world.cluster.store.all("replicasets")) == 1
    shown = world.cluster.store.shown(world.cluster.deployment(), "deployments")
    managers = {entry["manager"] for entry in shown["metadata"]["managedFields"]}
    assert not [name for name in managers if name.startswith(FIRST_MANAGER)]


@pytest.mark.parametrize("at", [6, 7, 8, 12])
def test_a_first_deployment_that_died_is_nothing_deployed(world, at):
    die_in_the_first(world, at)
    world.cluster.advance(130)

    assert world.target().current() is None
    with pytest.raises(ReleaseError, match="no earlier release"):
        world.rollback()
    world.deploy("v2", None)
    assert world.versions() == ["v2"]
    assert world.cluster.serving() == ["v2", "v2"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_deployment_that_is_stopped_asks_for_the_way_back_at_once(world, stop):
    world.deploy("v1", None)
    world.pods["v2"].after = 60

    def interrupt(_):
        if world.cluster.deployment()["metadata"]["generation"] > 1:
            world.cluster.waiting.remove(interrupt)
            raise stop

    world.cluster.waiting.append(interrupt)
    with pytest.raises(stop):
        world.deploy("v2", "v1")

    assert world.said[-1] == "v2 was interrupted, and is being undone"
    world.cluster.advance(10)
    assert world.cluster.serving() == ["v1", "v1"]
    assert set(world.cluster.serving()) == {"v1"}
    world.deploy("v3", "v1")  # at once: nobody is at work
    assert world.versions() == ["v1", "v3"]


def test_a_first_deployment_that_is_stopped_leaves_nothing(world):
    def interrupt(_):
        world.cluster.waiting.remove(interrupt)
        raise KeyboardInterrupt

    world.cluster.waiting.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        world.deploy("v1", None)
    assert world.cluster.deployment() is None


def test_whoever_deploys_for_long_says_in_time_that_it_is_still_at_work(world):
    world.deploy("v1", None)
    world.pods["v2"].after = 200
    told = []

    def look(seconds):
        if world.cluster.deployment()["metadata"]["generation"] > 1 and int(seconds) % 40 == 0:
            told.append(world.target().status().note)

    world.cluster.waiting.append(look)
    world.deploy("v2", "v1", target=world.target(progress="5m"))

    assert len(told) > 5
    assert set(told[:-3]) == {"v2 is being rolled out by run run-2"}


def test_two_processes_of_one_run_end_in_one_deployment(world):
    world.deploy("v1", None)
    results = []

    def second(_):
        world.cluster.waiting.remove(second)
        results.append(world.deploy("v2", "v1", run="twice"))

    world.cluster.waiting.append(second)
    first = world.deploy("v2", "v1", run="twice")

    assert results == [first]
    assert world.versions() == ["v1", "v2"]
