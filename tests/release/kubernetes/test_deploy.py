import pytest

from components.core import build
from components.core.errors import ClusterError, ConflictError, ReleaseError, UsageError
from components.core.storage import Store
from components.release.kubernetes.names import FIRST_MANAGER, MANAGER, UNDERWAY
from tests.core.test_storage import at_once

NAME = "driftline-flights"


def test_what_is_deployed_serves_and_is_the_champion(world):
    assert world.target().current() is None
    assert world.target().status().replicas == []

    entry = world.deploy("v1", None)

    assert world.target().current() == entry
    assert world.cluster.serving() == ["v1", "v1"]
    status = world.target().status()
    assert (status.champion, status.settled, status.note) == ("v1", True, "")
    assert {replica.version for replica in status.replicas} == {"v1"}
    for resource in ("services", "poddisruptionbudgets", "horizontalpodautoscalers"):
        assert world.cluster.store.get(resource, "driftline-flights")


def test_the_next_release_follows_without_a_replica_missing(world):
    world.deploy("v1", None)
    least = []
    world.cluster.waiting.append(lambda _: least.append(len(world.cluster.serving())))

    entry = world.deploy("v2", "v1")

    assert min(least) == 2
    assert world.cluster.serving() == ["v2", "v2"]
    assert world.versions() == ["v1", "v2"]
    assert world.target().current() == entry
    assert (entry.action, entry.run, entry.reason) == ("deploy", "run-2", "v2 is better")
    assert entry.manifest_sha256 == world.target().manifest_sha256("v2")


def test_progress_is_told_in_sentences(world):
    world.deploy("v1", None)

    assert (
        world.said[0] == "v1 is rolled out to driftline-flights in namespace driftline-development"
    )
    assert world.said[-1] == (
        "driftline-flights: 2 of 2 replicas are v1; 2 ready, 2 for long enough"
    )
    assert len(world.said) == len(set(world.said))


def test_what_is_deployed_already_is_not_touched(world):
    first = world.deploy("v1", None)
    version = world.cluster.deployment()["metadata"]["resourceVersion"]

    assert world.deploy("v1", "v1") == first
    assert world.cluster.deployment()["metadata"]["resourceVersion"] == version


def test_a_release_proven_against_another_champion_is_not_deployed(world):
    world.deploy("v1", None)
    world.deploy("v2", "v1")

    with pytest.raises(ConflictError, match="proven against v1, but v2 is deployed now"):
        world.deploy("v3", "v1")
    with pytest.raises(ConflictError, match="proven against no champion, but v2 is deployed"):
        world.deploy("v3", None)
    assert world.versions() == ["v1", "v2"]


def test_whoever_comes_while_another_deploys_is_told_who_it_is(world):
    world.deploy("v1", None)
    told = []

    def interfere(_):
        world.cluster.waiting.remove(interfere)
        with pytest.raises(ConflictError) as error:
            world.deploy("v3", "v1", run="the-other")
        told.append(str(error.value))

    world.cluster.waiting.append(interfere)
    world.deploy("v2", "v1", run="the-first")

    assert told == [
        "release v3 has to wait: v2 is being rolled out by run the-first; wait for it, then look "
        "again"
    ]
    assert world.cluster.serving() == ["v2", "v2"]


@pytest.mark.parametrize("expected", [None, "v1"])
def test_of_two_that_read_the_same_champion_one_wins_and_the_other_is_told(world, expected):
    if expected:
        world.deploy(expected, None)
    slow = world.target()
    reading = slow.releases.open

    def open_late(version, *arguments):
        world.deploy("v2", expected, run="the-winner")
        return reading(version, *arguments)

    slow.releases.open = open_late

    with pytest.raises(ConflictError, match="v2 serves now, deployed by run the-winner"):
        world.deploy("v3", expected, target=slow)
    assert world.cluster.serving() == ["v2", "v2"]
    assert world.versions() == [*filter(None, [expected]), "v2"]
    assert owners(world, "deployments", FIRST_MANAGER) == set()


def test_of_two_that_create_at_once_one_wins_and_the_other_is_told(world):
    def one(index):
        try:
            return world.deploy(("v1", "v2")[index], None, run=f"run-{index}").version
        except ConflictError as error:
            assert "is being rolled out by run" in str(error) or "is deployed" in str(error)  # noqa: PT017
            return "conflict"

    results = at_once(2, one)

    assert results.count("conflict") == 1
    (winner,) = set(results) - {"conflict"}
    assert world.versions() == [winner]
    world.cluster.advance(30)
    assert world.cluster.serving() == [winner] * 2


def test_a_release_that_is_not_there_or_damaged_changes_nothing(world):
    with pytest.raises(ReleaseError, match="there is no release 'v9'"):
        world.deploy("v9", None)
    assert world.cluster.deployment() is None


def test_a_store_that_no_pod_can_read_is_refused(world, tmp_path):
    target = world.target()
    target._store = Store(tmp_path)

    with pytest.raises(UsageError, match="a folder on this machine, which no pod can read"):
        world.deploy("v1", None, target=target)


def test_the_autoscaler_keeps_the_replicas_that_it_chose(world):
    world.deploy("v1", None)
    world.cluster.autoscale(5)
    world.cluster.advance(10)
    assert len(world.cluster.serving()) == 5

    world.deploy("v2", "v1")

    assert world.cluster.deployment()["spec"]["replicas"] == 5
    assert world.cluster.serving() == ["v2"] * 5


def test_replicas_that_nobody_else_chose_stay_as_they_were(world):
    world.deploy("v1", None, target=world.target(replicas=3))

    world.deploy("v2", "v1", target=world.target(replicas=3))

    assert world.cluster.serving() == ["v2"] * 3
    world.deploy("v3", "v2", target=world.target(replicas=3))
    assert world.cluster.serving() == ["v3"] * 3
    owners = owners_of_replicas(world)
    assert MANAGER not in owners
    assert owners == {"driftline-replicas"}
    world.cluster.autoscale(4)
    assert owners_of_replicas(world) == {"kube-controller-manager"}


def owners(world, resource, prefix):
    shown = world.cluster.store.shown(world.cluster.store.get(resource, NAME), resource)
    managers = {entry["manager"] for entry in shown["metadata"]["managedFields"]}
    return {manager for manager in managers if manager.startswith(prefix)}


def owners_of_replicas(world):
    shown = world.cluster.store.shown(world.cluster.deployment(), "deployments")
    return {
        entry["manager"]
        for entry in shown["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


def set_image(body):
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "mine:1"


def test_a_field_that_somebody_else_set_is_named_and_left_alone(world):
    world.deploy("v1", None)
    world.cluster.edit("deployments", "driftline-flights", set_image)
    world.cluster.advance(30)

    with pytest.raises(ClusterError) as error:
        world.deploy("v2", "v1")
    assert (
        '.spec.template.spec.containers[name="server"].image belongs to kubectl-edit; undo that '
        "change, or set serving.kubernetes.force to true"
    ) in str(error.value)
    assert world.versions() == ["v1"]
    assert UNDERWAY not in world.cluster.deployment()["metadata"]["annotations"]


def test_force_takes_what_somebody_else_set(world):
    world.deploy("v1", None)
    world.cluster.edit("deployments", "driftline-flights", set_image)

    world.deploy("v2", "v1", target=world.target(force=True))

    template = world.cluster.deployment()["spec"]["template"]["spec"]
    assert template["containers"][0]["image"] != "mine:1"
    assert world.cluster.serving() == ["v2", "v2"]


def test_servers_run_in_the_image_that_deploys_them(world, monkeypatch):
    monkeypatch.setenv(build.IMAGE, "registry.example.com/driftline:1.2")

    world.deploy("v1", None)

    template = world.cluster.deployment()["spec"]["template"]["spec"]
    used = template["containers"] + template["initContainers"]
    assert {container["image"] for container in used} == {"registry.example.com/driftline:1.2"}


def test_what_others_add_stays(world):
    world.deploy("v1", None)

    def add(body):
        body["metadata"].setdefault("annotations", {})["team"] = "planes"

    world.cluster.edit("deployments", "driftline-flights", add)
    world.deploy("v2", "v1")

    assert world.cluster.deployment()["metadata"]["annotations"]["team"] == "planes"


def test_an_older_selector_is_refused_in_one_sentence(world):
    world.deploy("v1", None)

    def change(body):
        body["spec"]["selector"] = {"matchLabels": {"app": "old"}}

    world.cluster.edit("deployments", "driftline-flights", change, manager="driftline")
    with pytest.raises(ClusterError, match="field is immutable"):
        world.deploy("v2", "v1", target=world.target(force=True))


def test_the_cluster_itself_tells_people_what_is_deployed(world):
    world.deploy("v1", None)

    annotations = world.cluster.deployment()["metadata"]["annotations"]
    assert annotations["driftline.dev/release"] == "v1"
    assert annotations["kubernetes.io/change-cause"] == "deploy of v1 by run-1: v1 is better"
    (replica_set,) = world.cluster.store.all("replicasets")
    assert replica_set["metadata"]["annotations"]["driftline.dev/run"] == "run-1"


def test_a_deployment_that_is_deleted_in_between_is_not_made_anew(world):
    world.deploy("v1", None)
    slow = world.target()
    reading = slow.releases.open

    def open_late(version, *arguments):
        world.cluster.store.delete("deployments", "driftline-flights")
        return reading(version, *arguments)

    slow.releases.open = open_late
    with pytest.raises(ConflictError, match="was taken away in between; deploy it again"):
        world.deploy("v2", "v1", target=slow)
    assert world.cluster.deployment() is None
