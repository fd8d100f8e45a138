"""What `auto` means in a spec, once it is known where a run takes place."""

from __future__ import annotations

from components.spec.model import Spec


def for_this_machine(spec: Spec) -> Spec:
    """The spec of a run here: its releases are served here, unless it says otherwise."""
    return _with_target(spec, "local")


def for_a_cluster(spec: Spec, store: str) -> Spec:
    """The spec of a run on a cluster: its releases are served there, unless it says otherwise.

    The servers there find the store's credentials where the steps find them, unless the spec
    names another secret.

    Args:
        spec: as it was written.
        store: the store's address; only one at S3 has credentials.
    """
    resolved = _with_target(spec, "kubernetes")
    kubernetes = resolved.serving.kubernetes
    if not store.startswith("s3://") or kubernetes.store_secret:
        return resolved
    named = kubernetes.model_copy(update={"store_secret": spec.cluster.store_secret})
    serving = resolved.serving.model_copy(update={"kubernetes": named})
    return resolved.model_copy(update={"serving": serving})


def _with_target(spec: Spec, target: str) -> Spec:
    if spec.serving.target != "auto":
        return spec
    return spec.model_copy(update={"serving": spec.serving.model_copy(update={"target": target})})
