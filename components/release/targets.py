"""From a spec to the target that serves its releases."""

from __future__ import annotations

from components.core.storage import Store
from components.release.target import Target
from components.spec.model import Spec


def open_target(spec: Spec, store: Store) -> Target:
    """The target that the spec's `serving.target` names; what it needs is imported only then.

    `auto` is this machine here: a run on a cluster is given a spec in which it is resolved.

    Args:
        spec: the model's spec.
        store: where its releases are.

    Raises:
        SpecError: when that target cannot serve what the spec describes.
    """
    kind = spec.serving.target
    if kind in ("auto", "local"):
        from components.release.local import LocalTarget

        return LocalTarget(store, spec.model, spec.serving)
    from components.release.kubernetes.target import KubernetesTarget

    if kind == "kserve":
        from components.release.kubernetes.kserve import InferenceServiceWorkload

        return KubernetesTarget(store, spec, workload=InferenceServiceWorkload)
    return KubernetesTarget(store, spec)
