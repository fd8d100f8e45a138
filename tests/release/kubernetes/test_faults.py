import pytest

from components.core.errors import ClusterError

FAULTS = [
    ("get", "deployments", 410, {}),
    ("get", "deployments", 429, {"Retry_After": "7"}),
    ("get", "replicasets", 500, {}),
    ("get", "pods", 503, {}),
    ("get", "deployments", 504, {}),
    ("get", "deployments", "reset", {}),
    ("patch", "deployments", 429, {"Retry_After": "soon"}),
    ("patch", "deployments", 500, {}),
    ("patch", "deployments", "reset", {}),
    ("patch", "deployments", "lost", {}),
    ("patch", "services", "lost", {}),
    ("patch", "horizontalpodautoscalers", 502, {}),
]


@pytest.mark.parametrize(("verb", "part", "kind", "headers"), FAULTS)
def test_a_fault_that_passes_is_survived(world, verb, part, kind, headers):
    world.deploy("v1", None)
    fault = world.api.fault(verb, part, kind, times=3, **headers)

    world.deploy("v2", "v1")

    assert fault.met == 3
    assert world.cluster.serving() == ["v2", "v2"]
    assert world.versions() == ["v1", "v2"]


def test_a_busy_server_is_given_the_time_it_asks_for(world):
    world.deploy("v1", None)
    world.api.fault("get", "deployments", 429, times=1, Retry_After="20")
    began = world.cluster.seconds

    world.target().current()

    assert world.cluster.seconds - began >= 20


@pytest.mark.parametrize("downtime", [3, 40])
def test_a_restart_of_the_server_in_the_middle_is_survived(world, downtime):
    world.deploy("v1", None)
    world.pods["v2"].after = 20

    def restart(_):
        world.cluster.waiting.remove(restart)
        world.api.restart(downtime)

    world.cluster.waiting.append(restart)
    world.deploy("v2", "v1")

    assert world.cluster.serving() == ["v2", "v2"]


def test_everything_at_once_all_the_time_is_survived(world):
    """Each request fails in another way before it succeeds."""
    for verb, part, kind, headers in FAULTS:
        world.api.fault(verb, part, kind, times=2, **headers)

    world.deploy("v1", None)
    world.deploy("v2", "v1")

    assert world.versions() == ["v1", "v2"]
    assert world.cluster.serving() == ["v2", "v2"]


def test_a_status_that_changes_all_the_time_is_no_conflict(world):
    world.deploy("v1", None)
    deployment = world.cluster.deployment()
    put = world.cluster.store.apply
    moved = []

    def moving(resource, name, *arguments):
        if resource == "deployments" and len(moved) < 5:
            moved.append(name)
            world.cluster.store._touch(deployment)
        return put(resource, name, *arguments)

    world.cluster.store.apply = moving
    world.deploy("v2", "v1")

    assert len(moved) == 5
    assert world.versions() == ["v1", "v2"]


def test_a_server_that_is_not_there_is_told_within_seconds(world):
    world.api.close()
    began = world.cluster.seconds

    with pytest.raises(ClusterError, match=r"http://127\.0\.0\.1:\d+ does not answer.*refused"):
        world.target().current()
    assert world.cluster.seconds - began < 10


def test_a_server_that_keeps_failing_is_quoted(world):
    world.api.fault("get", "deployments", 500, times=1000)

    with pytest.raises(ClusterError, match="it answered 500 injected 500"):
        world.target().current()


def test_an_address_that_is_no_api_server_is_told(world):
    world.api.fault("get", "deployments", "html", times=1000)

    with pytest.raises(ClusterError, match="does not answer as an API server does: '<html>"):
        world.target().current()


def test_credentials_that_are_not_accepted_are_told(world):
    world.api.bearer = "another"

    with pytest.raises(ClusterError, match="does not accept your credentials; log in"):
        world.target().current()


@pytest.mark.parametrize(
    ("verb", "resource", "grant"),
    [
        ("get", "deployments", "--verb=get --resource=deployments.apps"),
        ("list", "replicasets", "--verb=list --resource=replicasets.apps"),
        ("patch", "deployments", "--verb=patch --resource=deployments.apps"),
        ("patch", "services", "--verb=patch --resource=services"),
        ("patch", "horizontalpodautoscalers", "--resource=horizontalpodautoscalers.autoscaling"),
        ("patch", "poddisruptionbudgets", "--resource=poddisruptionbudgets.policy"),
    ],
)
def test_what_is_not_allowed_is_told_with_the_way_to_allow_it(world, verb, resource, grant):
    world.deploy("v1", None)
    world.api.denied.add((verb, resource))
    before = world.cluster.deployment()["metadata"]["generation"]

    with pytest.raises(ClusterError) as error:
        world.deploy("v2", "v1")

    said = str(error.value)
    assert said.startswith(f"dora may not {verb} {resource}")
    assert "in namespace driftline-development; grant it: kubectl create role" in said
    assert grant in said
    assert "\n" not in said
    assert world.cluster.deployment()["metadata"]["generation"] == before


def test_a_namespace_that_is_not_there_is_told(world):
    world.cluster.namespaces.clear()

    assert world.target().current() is None
    with pytest.raises(ClusterError, match="kubectl create namespace driftline-development"):
        world.deploy("v1", None)


def test_a_manifest_that_the_server_does_not_understand_is_not_sent_again(world):
    """It answers 500 without a reason, which is no fault that passes."""
    fault = world.api.fault("patch", "deployments", "misunderstood", times=5)

    with pytest.raises(ClusterError, match=r"the cluster refuses deployments.*not declared in"):
        world.deploy("v1", None)
    assert fault.met == 1
