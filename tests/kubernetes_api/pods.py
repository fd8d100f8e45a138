"""What the pods of a release do, as a test says it: how they start, fail, count and speak."""

from dataclasses import dataclass, field

BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0]


@dataclass
class Pods:
    """The pods of one release: ready after `after` seconds, unless something is wrong.

    `fails` is one of: crash, fetch (the init container crashes), image, config, unschedulable,
    quota (no pod is made), never (they run, and are never ready). `rate` is the requests a second
    that each answers, a share `errors` of them with 500, each in `latency` seconds, and a share
    `positive` of the answers in the higher cell. `url` sends the proxy to a real server instead.
    """

    fails: str = ""
    after: float = 2.0
    log: str = ""
    rate: float = 20.0
    errors: float = 0.0
    latency: float = 0.004
    positive: float = 0.3
    url: str = ""
    counts: dict = field(default_factory=dict)

    def count(self, pod, seconds):
        past = self.counts.setdefault(pod, [(0.0, 0.0, 0.0, 0.0)])
        at, requests, errors, positive = past[-1]
        more = self.rate * seconds
        answered = more * (1 - self.errors)
        now = (at + seconds, requests + more, errors + more * self.errors)
        past.append((*now, positive + answered * self.positive))

    def metrics(self, pod, release, ago=0.0):
        past = self.counts.get(pod, [(0.0, 0.0, 0.0, 0.0)])
        moment = past[-1][0] - ago
        _, *counts = next((each for each in reversed(past) if each[0] <= moment), past[0])
        requests, errors, positive = int(counts[0]), round(counts[1]), round(counts[2])
        answered = requests - errors
        predict = f'endpoint="predict",release="{release}"'
        lines = ["# TYPE http_requests_total counter"]
        lines.append(f'http_requests_total{{{predict},code="200"}} {answered}')
        lines.append(f'http_requests_total{{{predict},code="500"}} {errors}')
        lines.append("# TYPE http_request_duration_seconds histogram")
        for bound in [*BOUNDS, "+Inf"]:
            within = requests if bound == "+Inf" or self.latency <= bound else 0
            name = "http_request_duration_seconds_bucket"
            lines.append(f'{name}{{{predict},le="{bound}"}} {within}')
        lines.append("# TYPE driftline_answers_total counter")
        for cell, count in (("0.10", answered - positive), ("0.70", positive)):
            lines.append(f'driftline_answers_total{{release="{release}",cell="{cell}"}} {count}')
        return "\n".join(lines) + "\n"

    def status(self, pod, age):
        """The status of a pod of that age, in virtual seconds."""
        init = [one["name"] for one in pod["spec"].get("initContainers", [])]
        server = pod["spec"]["containers"][0]["name"]
        if self.fails == "unschedulable":
            message = "0/3 nodes are available: 3 Insufficient memory."
            return _pod("Pending", False, [], [], scheduled=("Unschedulable", message))
        if self.fails == "fetch":
            return _pod("Pending", False, [_crashed(init[0], age, self.log)], [_new(server)])
        done = [_done(name) for name in init]
        if self.fails == "crash":
            return _pod("Running", False, done, [_crashed(server, age, self.log)])
        if self.fails == "image":
            reason = "ImagePullBackOff" if age > 1 else "ErrImagePull"
            message = f'Back-off pulling image "{pod["spec"]["containers"][0]["image"]}"'
            return _pod("Pending", False, done, [_waiting(server, reason, message)])
        if self.fails == "config":
            message = 'secret "store" not found'
            waiting = _waiting(server, "CreateContainerConfigError", message)
            return _pod("Pending", False, done, [waiting])
        if age < 1:
            return _pod("Pending", False, [_new(name) for name in init], [_new(server)])
        ready = self.fails != "never" and age >= self.after
        return _pod("Running", ready, done, [_running(server, ready)])


def _pod(phase, ready, init, containers, scheduled=None):
    reason, message = scheduled or ("", "")
    unready = f"containers with unready status: [{containers[0]['name']}]" if containers else ""
    return {
        "phase": phase,
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False" if scheduled else "True",
                "reason": reason,
                "message": message,
            },
            {
                "type": "Ready",
                "status": "True" if ready else "False",
                "message": "" if ready else unready,
            },
        ],
        "initContainerStatuses": init,
        "containerStatuses": containers,
    }


def _container(name, state, *, ready=False, restarts=0, last=None):
    return {
        "name": name,
        "ready": ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }


def _new(name):
    return _waiting(name, "PodInitializing", "")


def _running(name, ready):
    return _container(name, {"running": {"startedAt": "2024-01-01T00:00:00Z"}}, ready=ready)


def _done(name):
    return _container(name, {"terminated": {"reason": "Completed", "exitCode": 0}}, ready=True)


def _waiting(name, reason, message):
    return _container(name, {"waiting": {"reason": reason, "message": message}})


def _crashed(name, age, log):
    ended = {"terminated": {"reason": "Error", "exitCode": 1, "message": log[-80:]}}
    if age < 1:
        return _container(name, {"running": {}})
    if age < 2:
        return _container(name, ended)
    message = f"back-off 10s restarting failed container={name}"
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    return _container(name, waiting, restarts=1, last=ended)
