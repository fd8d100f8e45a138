"""The cluster behind the API: its clock, its pods, and what a test may do to it."""

import copy
import itertools
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from components.release.kubernetes.cluster import Time
from components.release.kubernetes.names import read_entry
from tests.kubernetes_api.controllers import Controllers
from tests.kubernetes_api.pods import Pods
from tests.kubernetes_api.store import Store

_TICK_S = 0.5
_LEAVE_S = 2.0
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


class FakeCluster:
    """A cluster whose time passes when somebody waits for it.

    `pods` says by release what its pods do. `namespaces` are those that there are.
    """

    def __init__(self, namespace="driftline-development"):
        self.lock = threading.RLock()
        self.seconds = 0.0
        self.store = Store(self.now)
        self.pods = defaultdict(Pods)
        self.namespaces = {namespace}
        self.namespace = namespace
        self.kserve = False
        self.waiting = []  # called with the seconds at each tick
        self._controllers = Controllers(self)
        self._names = itertools.count()
        self._born = {}
        self._ready_since = {}
        self._ends = {}

    @property
    def time(self):
        """How time passes for whoever uses the cluster."""
        return Time(pause=self.advance, clock=lambda: self.seconds, now=self.now)

    def now(self):
        return _EPOCH + timedelta(seconds=self.seconds)

    def advance(self, seconds):
        """Let time pass, and the controllers and pods work."""
        until = self.seconds + seconds
        while self.seconds < until:
            tick = min(_TICK_S, until - self.seconds)
            with self.lock:
                self.seconds += tick
                self._controllers.step()
                self._kubelet(tick)
                self._controllers.step()
            for call in list(self.waiting):
                call(self.seconds)

    def autoscale(self, replicas, name="driftline-flights"):
        """What the autoscaler, or `kubectl scale`, does."""
        with self.lock:
            self._controllers.scale(name, replicas)

    def edit(self, resource, name, change, manager="kubectl-edit"):
        """What `kubectl edit` does."""
        with self.lock:
            self.store.update(resource, name, change, manager)

    def deployment(self, name="driftline-flights"):
        return self.store.get("deployments", name)

    def serving(self):
        """The releases of the pods that take requests, sorted."""
        return sorted(_version(pod) for pod in self.store.all("pods") if self._takes(pod))

    # For the controllers

    def refuses_pod(self, replica_set):
        if self.pods[_version(replica_set["spec"]["template"])].fails == "quota":
            return f'pods "{replica_set["metadata"]["name"]}" is forbidden: exceeded quota: compute'
        return ""

    def start_pod(self, replica_set):
        template = copy.deepcopy(replica_set["spec"]["template"])
        name = f"{replica_set['metadata']['name']}-{next(self._names):05d}"
        owner = {"kind": "ReplicaSet", "uid": replica_set["metadata"]["uid"]}
        template["metadata"].update(
            name=name,
            namespace=replica_set["metadata"]["namespace"],
            ownerReferences=[owner],
        )
        self.store.create("pods", {"apiVersion": "v1", "kind": "Pod", **template})
        self._born[name] = self.seconds

    def end_pod(self, pod):
        pod["metadata"]["deletionTimestamp"] = self.now().isoformat()
        self._ends[pod["metadata"]["name"]] = self.seconds + _LEAVE_S

    def ready_for(self, pod):
        return self.seconds - self._ready_since.get(pod["metadata"]["name"], self.seconds)

    def _kubelet(self, tick):
        for pod in self.store.all("pods"):
            name = pod["metadata"]["name"]
            if self._ends.get(name, self.seconds) < self.seconds:
                self.store.delete("pods", name)
                continue
            acts = self.pods[_version(pod)]
            self.store.set_status(pod, acts.status(pod, self.seconds - self._born[name]))
            if self._takes(pod):
                self._ready_since.setdefault(name, self.seconds)
                acts.count(name, tick)
            else:
                self._ready_since.pop(name, None)

    @staticmethod
    def _takes(pod):
        conditions = pod.get("status", {}).get("conditions", [])
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return ready and "deletionTimestamp" not in pod["metadata"]


def _version(pod):
    entry = read_entry(pod["metadata"].get("annotations"))
    return entry.version if entry else "unknown"
