import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import ReleaseError, RolloutError
from components.release.kubernetes.history import kept, revisions
from components.release.kubernetes.names import entry_annotations
from components.release.package import MANIFEST
from components.release.target import Deployment


def test_rollback_goes_back_one_deployment_at_a_time(world):
    for version, expected in (("v1", None), ("v2", "v1"), ("v3", "v2")):
        world.deploy(version, expected)

    entry = world.rollback()
    assert (entry.version, entry.action, entry.reason) == ("v2", "rollback", "complaints")
    assert world.cluster.serving() == ["v2", "v2"]
    assert world.rollback().version == "v1"
    with pytest.raises(ReleaseError, match="no earlier release"):
        world.rollback()
    assert world.versions() == ["v1", "v2", "v3", "v2", "v1"]
    assert world.rollback("v3").version == "v3"
    with pytest.raises(ReleaseError, match="deployed already"):
        world.rollback("v3")
    with pytest.raises(
        ReleaseError, match=r"does not remember release 'v9' of flights; it remembers v1, v2, v3"
    ):
        world.rollback("v9")


def test_nothing_deployed_is_nothing_to_go_back_to(world):
    with pytest.raises(ReleaseError, match="no earlier release"):
        world.rollback()
    with pytest.raises(ReleaseError, match="remembers nothing"):
        world.rollback("v1")


def test_a_rollback_serves_from_the_very_template_that_served_before(world):
    world.deploy("v1", None, target=world.target(image="driftline:old"))
    world.deploy("v2", "v1", target=world.target(image="driftline:new"))

    world.rollback(target=world.target(image="driftline:new"))

    template = world.cluster.deployment()["spec"]["template"]["spec"]
    images = {one["image"] for one in template["containers"] + template["initContainers"]}
    assert images == {"driftline:old"}


def test_a_rollback_that_fails_leaves_what_serves(world):
    world.deploy("v1", None)
    world.deploy("v2", "v1")
    world.pods["v1"].fails = "crash"

    with pytest.raises(RolloutError, match=r"rollback of v1 failed: .*; v2 serves again"):
        world.rollback()
    assert world.cluster.serving() == ["v2", "v2"]
    assert world.versions() == ["v1", "v2"]


def test_a_release_that_was_swapped_is_not_gone_back_to(world):
    world.deploy("v1", None)
    world.deploy("v2", "v1")
    name = f"flights/releases/v1/{MANIFEST}"
    before = world.store.read(name)
    world.store.write(name, before.replace(b'"lineage"', b' "lineage"'))
    try:
        with pytest.raises(ReleaseError, match="its manifest is not the one"):
            world.rollback()
    finally:
        world.store.write(name, before)
    assert world.cluster.serving() == ["v2", "v2"]


def test_as_much_is_remembered_as_the_cluster_keeps(world):
    world.deploy("v1", None)
    for _ in range(7):
        world.deploy("v2", "v1")
        world.rollback("v1")

    assert len(world.versions()) == 11  # ten of before, and what serves
    assert world.target().current().version == "v1"


def restart(body):
    annotations = body["spec"]["template"]["metadata"]["annotations"]
    annotations["kubectl.kubernetes.io/restartedAt"] = "2024-01-01T00:00:00Z"


def test_a_restart_by_hand_is_no_deployment(world):
    world.deploy("v1", None)
    world.cluster.edit("deployments", "driftline-flights", restart, manager="kubectl-rollout")
    world.cluster.advance(30)

    assert world.versions() == ["v1"]
    assert world.target().status().settled
    world.deploy("v2", "v1")
    assert world.versions() == ["v1", "v2"]
    assert world.rollback().version == "v1"


def test_undoing_by_hand_is_understood(world):
    world.deploy("v1", None)
    old = dict(world.cluster.deployment()["spec"]["template"])
    world.deploy("v2", "v1")

    def undo(body):
        body["spec"]["template"] = old

    world.cluster.edit("deployments", "driftline-flights", undo, manager="kubectl-rollout")
    world.cluster.advance(30)

    assert world.cluster.serving() == ["v1", "v1"]
    assert world.target().current().version == "v1"
    assert world.versions() == ["v1"]


def test_a_pod_that_is_replaced_shows_in_the_status(world):
    world.deploy("v1", None)
    pod = world.cluster.store.all("pods")[0]
    world.cluster.end_pod(pod)

    status = world.target().status()
    assert not status.settled
    assert {replica.name: replica.note for replica in status.replicas}[
        pod["metadata"]["name"]
    ] == "leaving"
    world.cluster.advance(30)
    assert world.target().status().settled


def replica_set(number, version, at, revision, earlier=""):
    entry = Deployment(
        version=version, manifest_sha256="0", action="deploy", at=at, run="r", reason=""
    )
    return {
        "metadata": {
            "name": f"set-{number}",
            "ownerReferences": [{"uid": "u"}],
            "annotations": {
                "deployment.kubernetes.io/revision": str(revision),
                "deployment.kubernetes.io/revision-history": earlier,
            },
        },
        "spec": {
            "template": {
                "metadata": {"labels": {}, "annotations": entry_annotations(entry, {})},
                "spec": {},
            }
        },
    }


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), min_size=1, max_size=15))
def test_what_was_undone_is_not_history(story):
    """Play deployments, each failing or not, as the controller numbers them."""
    numbers: dict[int, list[int]] = {}
    expected: list[int] = []
    count = 0
    for index, (_, works) in enumerate(story):
        count += 1
        numbers[index] = [count]
        if works:
            expected.append(index)
        elif expected:  # put back
            count += 1
            numbers[expected[-1]].append(count)
        else:
            del numbers[index]  # a first one that fails is deleted
    sets = [
        replica_set(index, f"v{index}", str(index), found[-1], ",".join(map(str, found[:-1])))
        for index, found in numbers.items()
    ]

    remembered = kept(revisions(sets, "u"))

    assert [one.entry.version for one in remembered] == [f"v{index}" for index in expected]
    assert revisions(sets, "another") == []
