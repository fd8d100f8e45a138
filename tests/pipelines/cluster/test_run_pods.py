"""What is told of a run's pods, and whose lines a failed step's log is."""

from types import SimpleNamespace

from pipelines.cluster.run_pods import RunPods


class Cluster:
    """The two questions that are asked of a cluster."""

    def __init__(self, pods, logs=None):
        self._pods, self._logs = pods, logs or {}

    def find(self, kind, selector):
        assert (kind, selector) == ("Pod", "pipeline/runid=r")
        return self._pods

    def logs(self, pod, container, *, lines, previous):
        assert container == "main"
        return self._logs.get(pod, "")


def pod(name, node, made="1", **status):
    return {
        "metadata": {
            "name": name,
            "annotations": {"workflows.argoproj.io/node-name": node},
            "creationTimestamp": made,
        },
        "status": {"phase": "Pending", **status},
    }


def waiting(reason, message):
    return [{"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]


def test_pods_that_cannot_begin_are_told_with_a_remedy():
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    pods = [
        pod("a", "w(0)", containerStatuses=waiting("ImagePullBackOff", "no such image")),
        pod("b", "w(0)", conditions=[{**unplaced, "message": "Insufficient cpu."}]),
        pod("c", "w(0)", containerStatuses=waiting("CreateContainerConfigError", "no secret s")),
        pod("d", "w(0)", phase="Running", containerStatuses=waiting("ImagePullBackOff", "")),
    ]
    found = RunPods(None, "r", Cluster(pods)).troubles()
    image, node, secret = found
    assert "ImagePullBackOff: no such image; is the image where the nodes can pull it" in image
    assert "finds no node: Insufficient cpu; make room" in node
    assert "no secret s; see that the secrets it names are there" in secret
    assert list(found.values()) == [False, True, False]


def test_the_log_is_of_the_steps_latest_pod_and_its_own_lines():
    root = "w(0).root(0).exit-handler-1(0)"
    pods = [
        pod("first", f"{root}.ingest(0).executor(0)", made="1"),
        pod("second", f"{root}.ingest(0).executor(1)", made="2"),
        pod("other", f"{root}.ingest-2(0).executor(0)", made="3"),
        pod("driver", f"{root}.ingest-driver(0)", made="4"),
    ]
    text = "Traceback\nDataError: no rows\nI1127 23:04:27.4 16 launcher_v2.go:206] x\n"
    logs = {"first": "old", "second": f"{text}time=2026 level=INFO\nError: exit status 1\n"}
    step = SimpleNamespace(display_name="ingest", child_tasks=[])
    pods = RunPods(None, "r", Cluster(pods, {**logs, "other": "x", "driver": "y"}))
    assert pods.tail(step, []) == "Traceback\nDataError: no rows"
