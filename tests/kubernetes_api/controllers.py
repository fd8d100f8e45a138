"""The controllers: from a Deployment to ReplicaSets to pods, the autoscaler, and KServe's."""

import copy
import hashlib
import json

_REVISION = "deployment.kubernetes.io/revision"
_EARLIER = "deployment.kubernetes.io/revision-history"
_HASH = "pod-template-hash"
_CONTROLLER = "kube-controller-manager"
_SURGE = 1  # with maxUnavailable 0, which is all that the tests roll out with


class Controllers:
    """Brings the objects one small step nearer to what they should be."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._store = cluster.store
        self._progress = {}  # Deployment's uid -> (what it reached, when)

    def step(self):
        for service in self._store.all("inferenceservices"):
            self._kserve(service)
        for autoscaler in self._store.all("horizontalpodautoscalers"):
            self._keep_minimum(autoscaler)
        for deployment in self._store.all("deployments"):
            self._deployment(deployment)
        for replica_set in self._store.all("replicasets"):
            self._replica_set(replica_set)

    # Deployments

    def _deployment(self, deployment):
        sets = self._owned("replicasets", deployment)
        new = self._new_set(deployment, sets)
        old = [one for one in sets if one is not new]
        wanted = deployment["spec"]["replicas"]
        if not self._scale_up(new, old, wanted):
            self._scale_down(new, old, wanted, deployment)
        self._prune(deployment, old)
        self._report(deployment, new, old)

    def _new_set(self, deployment, sets):
        template = deployment["spec"]["template"]
        new = next((one for one in sets if _without_hash(one) == template), None)
        highest = max((_revision(one) for one in sets if one is not new), default=0)
        if new is None:
            text = json.dumps(template, sort_keys=True).encode()
            found = hashlib.sha256(text).hexdigest()[:10]
            new = self._store.create("replicasets", _set_of(deployment, template, found))
        annotations = new["metadata"]["annotations"]
        shown = {
            key: value
            for key, value in deployment["metadata"].get("annotations", {}).items()
            if key not in (_REVISION, _EARLIER)
        }
        annotations.update(shown)
        if _revision(new) <= highest:
            if _revision(new):
                earlier = annotations.get(_EARLIER)
                before = str(_revision(new))
                annotations[_EARLIER] = f"{earlier},{before}" if earlier else before
            annotations[_REVISION] = str(highest + 1)
        return new

    def _scale_up(self, new, old, wanted):
        have = _replicas(new)
        if have > wanted:
            new["spec"]["replicas"] = wanted
            return True
        total = have + sum(map(_replicas, old))
        more = min(wanted + _SURGE - total, wanted - have)
        if have == wanted or more <= 0:
            return False
        new["spec"]["replicas"] = have + more
        return True

    def _scale_down(self, new, old, wanted, deployment):
        minimum = wanted
        total = _replicas(new) + sum(map(_replicas, old))
        unavailable = _replicas(new) - self._available(new, deployment)
        room = total - minimum - unavailable
        for one in old:  # the unhealthy first
            sick = _replicas(one) - self._available(one, deployment)
            cut = min(max(room, 0), sick)
            one["spec"]["replicas"] -= cut
            room -= cut
        spare = sum(self._available(one, deployment) for one in [new, *old]) - minimum
        for one in old:
            cut = min(max(spare, 0), max(room, 0), _replicas(one))
            one["spec"]["replicas"] -= cut
            spare, room = spare - cut, room - cut

    def _prune(self, deployment, old):
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        empty = [one for one in sorted(old, key=_revision) if not _replicas(one)]
        for one in empty[: max(0, len(old) - limit)]:
            self._store.delete("replicasets", one["metadata"]["name"])

    def _report(self, deployment, new, old):
        pods = {id(one): self._owned("pods", one) for one in [new, *old]}
        living = {key: [p for p in found if not _leaving(p)] for key, found in pods.items()}
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": sum(map(len, living.values())),
            "updatedReplicas": len(living[id(new)]),
            "readyReplicas": sum(_ready(p) for found in living.values() for p in found),
            "availableReplicas": sum(self._available(one, deployment) for one in [new, *old]),
        }
        conditions = [self._progressing(deployment, status)]
        failure = (new.get("status") or {}).get("conditions")
        conditions += failure or []
        self._store.set_status(deployment, {**status, "conditions": conditions})

    def _progressing(self, deployment, status):
        wanted = deployment["spec"]["replicas"]
        reached = (status["updatedReplicas"], status["availableReplicas"], -status["replicas"])
        done = status["updatedReplicas"] == status["replicas"] == wanted
        done = done and status["availableReplicas"] == wanted
        uid = deployment["metadata"]["uid"]
        now = self._cluster.seconds
        before, since = self._progress.get(uid, (None, now))
        key = (deployment["metadata"]["generation"], reached)
        if key != before:
            self._progress[uid] = (key, now)
            since = now
        late = now - since > deployment["spec"].get("progressDeadlineSeconds", 600)
        reason = "ReplicaSetUpdated"
        if done:
            reason = "NewReplicaSetAvailable"
        elif late:
            reason = "ProgressDeadlineExceeded"
        return {
            "type": "Progressing",
            "status": "False" if late and not done else "True",
            "reason": reason,
        }

    def _available(self, replica_set, deployment):
        least = deployment["spec"].get("minReadySeconds", 0)
        return sum(
            self._cluster.ready_for(pod) >= least
            for pod in self._owned("pods", replica_set)
            if _ready(pod) and not _leaving(pod)
        )

    # ReplicaSets

    def _replica_set(self, replica_set):
        pods = [one for one in self._owned("pods", replica_set) if not _leaving(one)]
        for _ in range(replica_set["spec"]["replicas"] - len(pods)):
            if refusal := self._cluster.refuses_pod(replica_set):
                condition = {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": refusal,
                }
                self._store.set_status(replica_set, {"conditions": [condition]})
                return
            self._cluster.start_pod(replica_set)
        surplus = len(pods) - replica_set["spec"]["replicas"]
        for pod in sorted(pods, key=_ready)[: max(0, surplus)]:
            self._cluster.end_pod(pod)

    # The autoscaler: it needs no figures to keep the minimum.

    def _keep_minimum(self, autoscaler):
        name = autoscaler["spec"]["scaleTargetRef"]["name"]
        deployment = self._store.get("deployments", name)
        minimum = autoscaler["spec"]["minReplicas"]
        if deployment and 0 < deployment["spec"]["replicas"] < minimum:
            self.scale(name, minimum)

    def scale(self, name, replicas, manager=_CONTROLLER):
        def change(body):
            body["spec"]["replicas"] = replicas

        self._store.update("deployments", name, change, manager)

    # KServe

    def _kserve(self, service):
        predictor = copy.deepcopy(service["spec"]["predictor"])
        name = f"{service['metadata']['name']}-predictor"
        metadata = {
            "labels": {**service["metadata"].get("labels", {}), **predictor.pop("labels", {})},
            "annotations": {
                **service["metadata"].get("annotations", {}),
                **predictor.pop("annotations", {}),
            },
        }
        metadata["labels"]["app"] = f"isvc.{name}"
        replicas = predictor.pop("minReplicas")
        strategy = predictor.pop("deploymentStrategy")
        for key in ("maxReplicas", "scaleMetric", "scaleTarget"):
            predictor.pop(key)
        template = {"metadata": metadata, "spec": predictor}
        live = self._store.get("deployments", name)
        if live is None:
            body = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {**copy.deepcopy(metadata), "name": name, "ownerReferences": []},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": {"app": metadata["labels"]["app"]}},
                    "strategy": strategy,
                    "template": template,
                },
            }
            body["metadata"]["ownerReferences"] = [_owner(service)]
            self._store.create("deployments", body, manager="manager")
        elif live["spec"]["template"] != template:

            def change(body):
                body["spec"]["template"] = template

            self._store.update("deployments", name, change, "manager")

    def _owned(self, resource, owner):
        uid = owner["metadata"]["uid"]
        return [
            one
            for one in self._store.all(resource)
            if any(by["uid"] == uid for by in one["metadata"].get("ownerReferences", []))
        ]


def _set_of(deployment, template, found):
    template = copy.deepcopy(template)
    template["metadata"]["labels"][_HASH] = found
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{found}",
            "namespace": deployment["metadata"].get("namespace", ""),
            "labels": copy.deepcopy(template["metadata"]["labels"]),
            "annotations": {},
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {"replicas": 0, "template": template},
    }


def _owner(body):
    return {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": body["metadata"]["name"],
        "uid": body["metadata"]["uid"],
        "controller": True,
    }


def _without_hash(replica_set):
    template = replica_set["spec"]["template"]
    metadata = template["metadata"]
    labels = {key: value for key, value in metadata["labels"].items() if key != _HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _revision(replica_set):
    return int(replica_set["metadata"]["annotations"].get(_REVISION, 0))


def _replicas(replica_set):
    return replica_set["spec"]["replicas"]


def _leaving(pod):
    return "deletionTimestamp" in pod["metadata"]


def _ready(pod):
    return any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod.get("status", {}).get("conditions", [])
    )
