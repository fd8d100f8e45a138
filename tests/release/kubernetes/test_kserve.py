import pytest

from components.core.errors import ClusterError, RolloutError, SpecError
from components.release.kubernetes.kserve import InferenceServiceWorkload

DEPLOYMENT = "driftline-flights-predictor"


@pytest.fixture
def kserve(world):
    world.cluster.kserve = True
    plain = world.target
    world.target = lambda **changes: plain(workload=InferenceServiceWorkload, **changes)
    return world


def test_a_cluster_without_kserve_is_told_what_to_do(kserve):
    kserve.cluster.kserve = False

    with pytest.raises(ClusterError, match=r"install KServe in it, or set serving\.target"):
        kserve.deploy("v1", None)
    with pytest.raises(ClusterError, match="has no InferenceService"):
        kserve.target().status()


def test_deploy_fail_roll_back(kserve):
    assert kserve.target().current() is None
    kserve.deploy("v1", None)
    assert kserve.cluster.serving() == ["v1", "v1"]
    kserve.deploy("v2", "v1")
    assert kserve.cluster.serving() == ["v2", "v2"]

    kserve.pods["v3"].fails = "crash"
    with pytest.raises(RolloutError, match=r"CrashLoopBackOff: .*; v2 serves again"):
        kserve.deploy("v3", "v2")
    assert kserve.cluster.serving() == ["v2", "v2"]
    assert kserve.versions() == ["v1", "v2"]

    assert kserve.rollback().version == "v1"
    assert kserve.cluster.serving() == ["v1", "v1"]
    assert kserve.target().status().settled
    assert kserve.cluster.deployment(DEPLOYMENT)["spec"]["replicas"] == 2


def test_the_mark_of_a_rollout_starts_no_rollout(kserve):
    kserve.deploy("v1", None)
    kserve.deploy("v2", "v1")

    assert len(kserve.cluster.store.all("replicasets")) == 2


def test_the_way_back_is_to_the_very_pods(kserve):
    kserve.deploy("v1", None)
    pods = {pod["metadata"]["name"] for pod in kserve.cluster.store.all("pods")}
    kserve.pods["v2"].fails = "never"

    with pytest.raises(RolloutError):
        kserve.deploy("v2", "v1", target=kserve.target())

    assert {pod["metadata"]["name"] for pod in kserve.cluster.store.all("pods")} >= pods


def test_a_rollback_serves_with_the_image_that_served(kserve):
    kserve.deploy("v1", None, target=kserve.target(image="driftline:old"))
    kserve.deploy("v2", "v1", target=kserve.target(image="driftline:new"))

    kserve.rollback(target=kserve.target(image="driftline:new"))

    template = kserve.cluster.deployment(DEPLOYMENT)["spec"]["template"]["spec"]
    assert template["containers"][0]["image"] == "driftline:old"


def test_a_first_release_that_fails_is_taken_away_again(kserve):
    kserve.pods["v1"].fails = "image"

    with pytest.raises(RolloutError, match="it was taken away again"):
        kserve.deploy("v1", None)

    for resource in ("inferenceservices", "poddisruptionbudgets", "deployments"):
        assert kserve.cluster.store.all(resource) == []


def test_the_guard_watches_here_too(kserve):
    guard = {"period": "10s", "min_requests": 50}
    kserve.deploy("v1", None)
    kserve.pods["v2"].errors = 0.3

    with pytest.raises(RolloutError, match="under guard"):
        kserve.deploy("v2", "v1", target=kserve.target(guard=guard))
    assert kserve.versions() == ["v1"]


def test_a_controller_that_makes_nothing_is_told(kserve):
    kserve.cluster._controllers._kserve = lambda service: kserve.cluster.store.set_status(
        service,
        {"conditions": [{"type": "Ready", "status": "False", "message": "the webhook is down"}]},
    )

    with pytest.raises(
        RolloutError, match="there is no deployment driftline-flights-predictor; Ready: the webhook"
    ):
        kserve.deploy("v1", None)


def test_a_canary_is_not_for_kserve(kserve):
    with pytest.raises(SpecError, match=r"serving\.kubernetes\.canary is for target kubernetes"):
        kserve.deploy("v1", None, target=kserve.target(canary=0.2))
