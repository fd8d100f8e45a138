import pytest

from components.core.errors import RolloutError

GUARD = {"period": "10s", "min_requests": 50}


def test_a_sound_release_stays(world):
    world.deploy("v1", None)
    world.deploy("v2", "v1", target=world.target(guard=GUARD))

    assert world.versions() == ["v1", "v2"]
    assert "v2 is watched for 10s" in world.said
    assert world.said[-1].startswith("the release passed the guard: 0 of ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"errors": 0.2}, "requests failed"),
        ({"latency": 0.3}, "latency"),
        ({"positive": 0.95}, "predictions|answers"),
    ],
)
def test_a_release_that_does_worse_goes_back(world, change, reason):
    world.deploy("v1", None)
    world.cluster.advance(30)  # the champion has answered some requests
    for name, value in change.items():
        setattr(world.pods["v2"], name, value)

    with pytest.raises(RolloutError, match=f"the release did worse under guard: .*{reason}"):
        world.deploy("v2", "v1", target=world.target(guard=GUARD))

    assert world.cluster.serving() == ["v1", "v1"]
    assert world.versions() == ["v1"]


def test_traffic_that_changed_before_the_rollout_is_no_reason_to_go_back(world):
    world.deploy("v1", None)
    world.cluster.advance(600)
    for pods in (world.pods["v1"], world.pods["v2"]):
        pods.positive = 0.95
    world.cluster.advance(60)

    world.deploy("v2", "v1", target=world.target(guard=GUARD))

    assert world.said[-1].startswith("the release passed the guard: ")


def test_what_a_release_did_while_it_was_rolled_out_counts_too(world):
    world.deploy("v1", None)
    world.cluster.advance(30)
    world.pods["v2"].errors = 0.2
    target = world.target(guard=GUARD)

    def nobody_asks(_):
        if "v2 is watched for 10s" in world.said:
            world.pods["v2"].rate = 0.0

    world.cluster.waiting.append(nobody_asks)
    with pytest.raises(RolloutError, match="requests failed"):
        world.deploy("v2", "v1", target=target)


def test_a_first_release_that_answers_with_errors_is_taken_away(world):
    world.pods["v1"].errors = 0.5

    with pytest.raises(RolloutError, match=r"under guard.*it was taken away again"):
        world.deploy("v1", None, target=world.target(guard=GUARD))
    assert world.cluster.deployment() is None
    assert world.cluster.store.get("horizontalpodautoscalers", "driftline-flights") is None


def test_too_few_requests_are_said_to_be_too_few(world):
    world.deploy("v1", None)
    world.pods["v2"].rate = 0.1

    world.deploy("v2", "v1", target=world.target(guard=GUARD))

    assert world.said[-1].startswith("the release stays: ")
    assert "too few" in world.said[-1]


def test_metrics_that_may_not_be_read_are_a_reason_to_go_back(world):
    """What cannot be watched is not trusted; the sentence says how to do without."""
    world.deploy("v1", None)
    world.api.denied.add(("get", "pods/proxy"))

    with pytest.raises(RolloutError, match=r"dora may not get pods/proxy.*v1 serves again"):
        world.deploy("v2", "v1", target=world.target(guard=GUARD))


def test_pods_that_cannot_be_reached_are_a_reason_to_go_back(world):
    world.deploy("v1", None)
    world.api.fault("get", "/proxy/", 503, times=10_000)

    with pytest.raises(RolloutError, match=r"NetworkPolicy|let the API server reach port 8080"):
        world.deploy("v2", "v1", target=world.target(guard=GUARD))
    assert any("the champion's figures are not known" in line for line in world.said)


def test_a_restart_of_the_server_under_guard_is_no_reason(world):
    world.deploy("v1", None)
    target = world.target(guard=GUARD)
    settled = len(world.said)

    def restart(_):
        if "v2 is watched for 10s" in world.said[settled:]:
            world.cluster.waiting.remove(restart)
            world.api.restart(30)

    world.cluster.waiting.append(restart)
    world.deploy("v2", "v1", target=target)

    assert world.versions() == ["v1", "v2"]


def test_a_canary_goes_first_and_is_gone_in_the_end(world):
    world.deploy("v1", None)
    seen = []
    world.cluster.waiting.append(lambda _: seen.append(tuple(world.cluster.serving())))

    world.deploy("v2", "v1", target=world.target(guard=GUARD, canary=0.3))

    assert ("v1", "v1", "v2") in seen
    assert seen.index(("v1", "v1", "v2")) < seen.index(("v2", "v2", "v2"))
    assert all(len(pods) >= 2 for pods in seen)
    assert "v2 serves as 1 canary replica first" in world.said
    assert any(line.startswith("the canary passed the guard: ") for line in world.said)
    assert world.cluster.deployment("driftline-flights-canary") is None
    world.cluster.advance(30)
    assert world.cluster.serving() == ["v2", "v2"]
    assert world.versions() == ["v1", "v2"]


@pytest.mark.parametrize("change", [{"fails": "crash"}, {"errors": 0.3}])
def test_a_canary_that_fails_leaves_the_champion_alone(world, change):
    world.deploy("v1", None)
    pods = {pod["metadata"]["name"] for pod in world.cluster.store.all("pods")}
    for name, value in change.items():
        setattr(world.pods["v2"], name, value)

    with pytest.raises(RolloutError, match="v1 serves again"):
        world.deploy("v2", "v1", target=world.target(guard=GUARD, canary=0.3))

    world.cluster.advance(10)
    assert {pod["metadata"]["name"] for pod in world.cluster.store.all("pods")} == pods
    assert world.cluster.deployment("driftline-flights-canary") is None
    assert len(world.cluster.store.all("replicasets")) == 1
    assert world.target().status().settled


def test_a_first_release_needs_no_canary(world):
    world.deploy("v1", None, target=world.target(canary=0.3))

    assert world.cluster.serving() == ["v1", "v1"]
    assert not any("canary" in line for line in world.said)


def test_the_canary_has_its_share_of_the_replicas_that_there_are(world):
    world.deploy("v1", None, target=world.target(replicas=6))
    most = []

    def count(_):
        canary = world.cluster.deployment("driftline-flights-canary")
        most.append(canary["spec"]["replicas"] if canary else 0)

    world.cluster.waiting.append(count)
    world.deploy("v2", "v1", target=world.target(replicas=6, canary=0.25))

    assert max(most) == 2
