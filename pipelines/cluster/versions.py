"""A pipeline's versions on the server: one for each content, whoever uploads it and how often."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api

from pipelines.cluster.patience import Patience
from pipelines.cluster.refusals import TakenError, said

_HASH_LENGTH = 12


def version_name(pipeline: str, yaml: str) -> str:
    """The name of the version with this content.

    The pipeline's name is in it, because where pipelines are kept as Kubernetes objects, no two
    versions of a namespace may be called the same.

    >>> version_name("driftline-training", "pipelineInfo: {}")
    'driftline-training-fc6b419e2f51'
    """
    return f"{pipeline}-{hashlib.sha256(yaml.encode()).hexdigest()[:_HASH_LENGTH]}"


def ensure_version(
    client: kfp.Client,
    pipeline: str,
    yaml: str,
    *,
    description: str = "",
    patience: Patience | None = None,
) -> tuple[str, str]:
    """The server's ids for a pipeline of this content; what is not there yet is uploaded.

    Args:
        client: made by `connect`.
        pipeline: the pipeline's name on the server, as `pipelineInfo.name` in the content.
        yaml: the IR YAML.
        description: what the UI shows of a version that is new.
        patience: how to go on after a server that did not answer.

    Returns:
        The pipeline's id and the version's.

    Raises:
        ClusterError: when the server cannot be asked, or refuses.
    """
    tries = patience or Patience()
    name = version_name(pipeline, yaml)
    # A request that got no answer may have been done: so each attempt looks first.
    pipeline_id = tries.call(
        lambda: _ensure(
            lambda: _find_pipeline(client, pipeline), lambda: _create_pipeline(client, pipeline)
        )
    )
    version_id = tries.call(
        lambda: _ensure(
            lambda: _find_version(client, pipeline_id, name),
            lambda: _upload(client, pipeline_id, name, yaml, description),
        )
    )
    return pipeline_id, version_id


def by_name(key: str, name: str) -> str:
    """The filter of a list for one name, as the server wants it written.

    >>> by_name("name", "a")
    '{"predicates": [{"operation": "EQUALS", "key": "name", "string_value": "a"}]}'
    """
    predicate = {"operation": "EQUALS", "key": key, "string_value": name}
    return json.dumps({"predicates": [predicate]})


def _ensure(find: Callable[[], str], make: Callable[[], str]) -> str:
    if found := find():
        return found
    try:
        return make()
    except TakenError:
        # Somebody made it between the two.
        if found := find():
            return found
        raise


def _find_pipeline(client: Any, name: str) -> str:
    with said(client.address, f"looking for the pipeline {name}"):
        found = client.list_pipelines(
            filter=by_name("name", name), namespace=client.get_user_namespace()
        ).pipelines
        return str(found[0].pipeline_id) if found else ""


def _create_pipeline(client: Any, name: str) -> str:
    body = kfp_server_api.V2beta1Pipeline(
        name=name, display_name=name, namespace=client.get_user_namespace()
    )
    with said(client.address, f"creating the pipeline {name}"):
        # Not upload_pipeline: that calls the first version by the pipeline's name.
        made = client.pipelines.pipeline_service_create_pipeline(pipeline=body)
        return str(made.pipeline_id)


def _find_version(client: Any, pipeline_id: str, name: str) -> str:
    with said(client.address, f"looking for the version {name}"):
        found = client.list_pipeline_versions(
            pipeline_id, filter=by_name("name", name)
        ).pipeline_versions
        return str(found[0].pipeline_version_id) if found else ""


def _upload(client: Any, pipeline_id: str, name: str, yaml: str, description: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(yaml, encoding="utf-8")
        with said(client.address, f"uploading the version {name}"):
            made = client.pipeline_uploads.upload_pipeline_version(
                str(file), name=name, pipelineid=pipeline_id, description=description or None
            )
            return str(made.pipeline_version_id)
