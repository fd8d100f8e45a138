"""From a spec to the target that serves its releases."""

from __future__ import annotations

from components.core.errors import UsageError
from components.core.storage import Store
from components.release.target import Target
from components.spec.model import Spec


def open_target(spec: Spec, store: Store) -> Target:
    """The target that the spec's `serving.target` names; what it needs is imported only then.

    Args:
        spec: the model's spec.
        store: where its releases are.

    Raises:
        UsageError: when this version cannot serve there.
    """
    kind = spec.serving.target
    if kind == "local":
        from components.release.local import LocalTarget

        return LocalTarget(store, spec.model)
    raise UsageError(f"serving.target: {kind} is not built yet; this version serves on: local")
