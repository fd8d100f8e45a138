"""From a pipeline's IR to one for a cluster: its image, and what each step asks for and may see.

The pipelines themselves say nothing of it: on one machine it means nothing.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from kfp.kubernetes.kubernetes_executor_config_pb2 import (
    KubernetesExecutorConfig,
    SecretAsEnv,
    SecretAsVolume,
)
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

from components.core import build
from components.spec.model import Cluster, Spec
from pipelines.cluster.steps import STORE_KEYS, Needs, deadline_s, needs_of

DEPLOYER = "driftline-deployer"
DEPLOYER_PATH = "/var/run/secrets/driftline/deployer"
# As the image has it; a number, so that the kubelet can tell that it is not root.
USER = 65532
_PAUSE_S = 30

Document = dict[str, Any]


def dress(ir: Document, image: str, spec: Spec | None = None) -> tuple[Document, Document]:
    """Complete a compiled pipeline for a cluster.

    Args:
        ir: the pipeline's IR, as KFP's compiler made it.
        image: the image of every step.
        spec: whose `cluster` part to follow; None for the defaults.

    Returns:
        The pipeline's spec and its platform's, as KFP's server reads them.

    Raises:
        SpecError: when the spec's `cluster` part contradicts itself.
        ParseError: when the result is not what the server's schema allows.
    """
    cluster = spec.cluster if spec else Cluster()
    platform: Document = {}
    for label, executor in ir["deploymentSpec"]["executors"].items():
        step = _step(label)
        needs = needs_of(step, spec)
        _dress_container(executor["container"], image, step, needs)
        platform[label] = MessageToDict(_config(step, needs, cluster))
    steps = {name for name, part in ir["components"].items() if "executorLabel" in part}
    for part in (ir["root"], *ir["components"].values()):
        for task in part.get("dag", {}).get("tasks", {}).values():
            if task["componentRef"]["name"] in steps:
                _dress_task(task, spec)
    document = {
        "platforms": {
            "kubernetes": {
                "deploymentSpec": {"executors": platform},
                "pipelineConfig": {"activeDeadlineSeconds": deadline_s(spec)},
            }
        }
    }
    ParseDict(ir, PipelineSpec())
    ParseDict(document, PlatformSpec())
    return ir, document


def _step(label: str) -> str:
    """The step of an executor, or of a component: `exec-check-drift-2` is one of check_drift."""
    return re.sub(r"^(exec|comp)-|-\d+$", "", label).replace("-", "_")


def _dress_container(container: Document, image: str, step: str, needs: Needs) -> None:
    container["image"] = image
    container["resources"] = {
        "resourceCpuRequest": needs.cpu,
        "resourceCpuLimit": needs.cpu_limit,
        "resourceMemoryRequest": needs.memory,
        "resourceMemoryLimit": needs.memory_limit,
    }
    if step == "deploy":  # it records what built a release
        container.setdefault("env", []).append({"name": build.IMAGE, "value": image})


def _dress_task(task: Document, spec: Spec | None) -> None:
    needs = needs_of(_step(task["componentRef"]["name"]), spec)
    if not needs.repeats:
        return
    waits = sum(_PAUSE_S * 2**number for number in range(needs.repeats))
    task["retryPolicy"] = {
        "maxRetryCount": needs.repeats,
        "backoffDuration": f"{_PAUSE_S}s",
        "backoffFactor": 2.0,
        # Not the longest pause: all attempts have to end by then, counted from the first.
        "backoffMaxDuration": f"{(needs.repeats + 1) * needs.timeout_s + waits}s",
    }


def _config(step: str, needs: Needs, cluster: Cluster) -> KubernetesExecutorConfig:
    config = KubernetesExecutorConfig(
        active_deadline_seconds=needs.timeout_s, image_pull_policy=cluster.pull
    )
    config.security_context.run_as_user = USER
    config.security_context.run_as_group = USER
    config.security_context.run_as_non_root = True
    keys = {key: key for key in STORE_KEYS}
    # Optional, each: a store elsewhere may need none of them, or only some.
    config.secret_as_env.append(_secret_env(cluster.store_secret, keys, optional=True))
    by_secret: dict[str, dict[str, str]] = {}
    for name, place in sorted(needs.secrets.items()):
        secret, key = place.split("/")
        by_secret.setdefault(secret, {})[key] = name
    for secret, mapping in by_secret.items():
        config.secret_as_env.append(_secret_env(secret, mapping, optional=False))
    if step == "deploy":
        # Without it, the step has the rights of whoever runs the other steps: none there.
        volume = SecretAsVolume(mount_path=DEPLOYER_PATH, optional=True, secret_name=DEPLOYER)
        _name(volume.secret_name_parameter, DEPLOYER)
        config.secret_as_volume.append(volume)
    return config


def _secret_env(secret: str, keys: dict[str, str], *, optional: bool) -> SecretAsEnv:
    pairs = [
        SecretAsEnv.SecretKeyToEnvMap(secret_key=key, env_var=name) for key, name in keys.items()
    ]
    found = SecretAsEnv(key_to_env=pairs, optional=optional, secret_name=secret)
    _name(found.secret_name_parameter, secret)
    return found


def _name(parameter: Any, value: str) -> None:
    parameter.runtime_value.constant.string_value = value
