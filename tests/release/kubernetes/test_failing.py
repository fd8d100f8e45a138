import pytest

from components.core.errors import ClusterError, ConflictError, RolloutError

LOG = "\n".join(f"line {number}" for number in range(20)) + "\nValueError: row 3 answers 0.4"
REASONS = {
    "crash": r"container server: CrashLoopBackOff: Error, exit code 1; its last lines: line 16 \| "
    r"line 17 \| line 18 \| line 19 \| ValueError: row 3 answers 0\.4",
    "fetch": r"container fetch: CrashLoopBackOff: Error, exit code 1; its last lines: line 16",
    "image": "ImagePullBackOff: Back-off pulling image",
    "config": 'CreateContainerConfigError: secret "store" not found',
    "unschedulable": "finds no node: 0/3 nodes are available: 3 Insufficient memory",
    "quota": r"no pod can be made \(FailedCreate\): pods .* exceeded quota",
    "never": r"no progress for 30 s: pod .*: containers with unready status: \[server\]",
}


@pytest.mark.parametrize("fails", sorted(REASONS))
def test_a_release_that_fails_is_undone_and_the_reason_told(world, fails):
    world.deploy("v1", None)
    pods = {pod["metadata"]["name"] for pod in world.cluster.store.all("pods")}
    least = []
    world.cluster.waiting.append(lambda _: least.append(world.cluster.serving().count("v1")))
    world.pods["v2"].fails, world.pods["v2"].log = fails, LOG
    began = world.cluster.seconds

    with pytest.raises(RolloutError, match=REASONS[fails]) as error:
        world.deploy("v2", "v1")

    assert str(error.value).startswith("deploy of v2 failed: ")
    assert str(error.value).endswith("; v1 serves again")
    assert "\n" not in str(error.value)
    assert min(least) == 2  # the pods that served went on, untouched
    assert {pod["metadata"]["name"] for pod in world.cluster.store.all("pods")} >= pods
    assert world.versions() == ["v1"]
    assert world.target().current().version == "v1"
    status = world.target().status()
    assert (status.champion, status.note) == ("v1", "")
    if fails not in ("unschedulable", "never"):
        assert world.cluster.seconds - began < 20


@pytest.mark.parametrize("fails", ["crash", "quota"])
def test_a_first_release_that_fails_is_taken_away_again(world, fails):
    world.pods["v1"].fails = fails

    with pytest.raises(RolloutError, match="nothing was deployed before, so it was taken away"):
        world.deploy("v1", None)

    assert world.cluster.deployment() is None
    assert world.cluster.store.all("pods") == []
    assert world.target().current() is None
    world.pods["v1"].fails = ""
    world.deploy("v1", None)
    assert world.cluster.serving() == ["v1", "v1"]


def test_after_a_failure_the_next_release_can_be_deployed(world):
    world.deploy("v1", None)
    world.pods["v2"].fails = "crash"
    with pytest.raises(RolloutError):
        world.deploy("v2", "v1")

    world.deploy("v3", "v1")

    assert world.versions() == ["v1", "v3"]
    assert world.rollback().version == "v1"
    assert world.cluster.serving() == ["v1", "v1"]


def test_a_release_that_failed_may_be_tried_again(world):
    world.deploy("v1", None)
    world.pods["v2"].fails = "crash"
    with pytest.raises(RolloutError):
        world.deploy("v2", "v1")
    world.pods["v2"].fails = ""

    world.deploy("v2", "v1")

    assert world.versions() == ["v1", "v2"]


def test_without_the_right_to_read_logs_the_pods_own_last_words_are_told(world):
    world.deploy("v1", None)
    world.pods["v2"].fails, world.pods["v2"].log = "crash", LOG
    world.api.denied.add(("get", "pods/log"))

    with pytest.raises(RolloutError, match=r"its last lines: .*ValueError: row 3 answers 0\.4"):
        world.deploy("v2", "v1")


def test_a_field_edited_during_a_rollout_does_not_stop_the_way_back(world):
    world.deploy("v1", None)
    world.pods["v2"].fails = "never"

    def edit(_):
        if world.cluster.deployment()["metadata"]["generation"] > 1:
            world.cluster.waiting.remove(edit)
            world.cluster.edit(
                "deployments",
                "driftline-flights",
                lambda body: body["spec"].update(minReadySeconds=60),
            )

    world.cluster.waiting.append(edit)
    with pytest.raises(RolloutError, match="v1 serves again"):
        world.deploy("v2", "v1")
    assert any("belongs to kubectl-edit" in line for line in world.said)
    assert any("taken all the same" in line for line in world.said)


def test_where_the_way_back_fails_too_both_reasons_are_told(world):
    world.deploy("v1", None)
    world.pods["v2"].fails = "crash"

    def forbid(_):
        if world.cluster.deployment()["metadata"]["generation"] > 1:
            world.api.denied.add(("patch", "deployments"))

    world.cluster.waiting.append(forbid)
    with pytest.raises(RolloutError) as error:
        world.deploy("v2", "v1")

    assert "CrashLoopBackOff" in str(error.value)
    assert "could not be put back: dora may not patch deployments.apps" in str(error.value)
    assert world.cluster.serving() == ["v1", "v1"]
    assert world.target().current().version == "v1"
    assert "v2 is being rolled out" in world.target().status().note


def test_a_rollback_takes_precedence_over_a_rollout_under_way(world):
    world.deploy("v1", None)
    world.pods["v2"].after = 600

    def step_in(_):
        world.cluster.waiting.remove(step_in)
        world.rollback()

    world.cluster.waiting.append(step_in)
    with pytest.raises(ConflictError, match="v1 serves now, deployed by run run-1"):
        world.deploy("v2", "v1")
    world.cluster.advance(10)
    assert world.cluster.serving() == ["v1", "v1"]
    assert world.target().current().version == "v1"


def test_a_deployment_that_was_stopped_by_hand_is_not_started(world):
    world.deploy("v1", None)
    world.cluster.autoscale(0)
    world.cluster.advance(10)

    with pytest.raises(ClusterError, match=r"is scaled to 0.*kubectl scale"):
        world.deploy("v2", "v1")
