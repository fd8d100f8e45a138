"""Pipelines and their versions: uploaded, listed, looked up, deleted."""

import yaml
from google.protobuf.json_format import ParseDict, ParseError
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.compile import documents
from tests.kfp_fake import listing
from tests.kfp_fake.refusals import EXISTS, RefusedError, UploadRefusedError, invalid, not_found

_PIPELINE_FIELDS = {
    "pipeline_id": "pipeline_id",
    "id": "pipeline_id",
    "name": "name",
    "display_name": "display_name",
    "created_at": "created_at",
    "description": "description",
    "namespace": "namespace",
}
_VERSION_FIELDS = {
    "pipeline_version_id": "pipeline_version_id",
    "id": "pipeline_version_id",
    "name": "name",
    "display_name": "display_name",
    "created_at": "created_at",
    "description": "description",
}
_LONGEST_NAME = 128


def upload(kfp, match, query, body):
    """A new pipeline with a first version of the same name."""
    spec, platform = _read(body, "Failed to read pipeline from file")
    name = query.get("name") or query.get("display_name") or body["name"]
    _check_length(name)
    if _is_taken(kfp, name, query):
        raise UploadRefusedError(409, "Failed to create a pipeline and a pipeline version")
    shown = _add_pipeline(kfp, name, query.get("display_name"), query)
    _add_version(kfp, shown["pipeline_id"], shown, spec, platform)
    return shown


def create(kfp, match, query, body):
    """A new pipeline without a version."""
    name = body.get("name", "")
    if not name:
        raise invalid("name is required", "Failed to create a pipeline due to server error")
    if _is_taken(kfp, name, body):
        message = f"Failed to create a new pipeline. The name {name} already exist."
        raise RefusedError(EXISTS, f"{message} Please specify a new name")
    return _add_pipeline(kfp, name, body.get("display_name"), body)


def upload_version(kfp, match, query, body):
    """A new version of a pipeline that is there."""
    spec, platform = _read(body, "Failed to create a pipeline version")
    pipeline = kfp.pipelines.get(query.get("pipelineid", ""))
    if pipeline is None:
        raise UploadRefusedError(400, "Failed to create a pipeline version")
    name = query.get("name") or query.get("display_name") or body["name"]
    _check_length(name)
    there = _versions(kfp, pipeline["pipeline_id"])
    if any(each["name"].lower() == name.lower() for each in there):
        raise UploadRefusedError(409, "Failed to create a pipeline version")
    described = {
        "name": name,
        "display_name": query.get("display_name") or name,
        "description": query.get("description", ""),
    }
    return _add_version(kfp, pipeline["pipeline_id"], described, spec, platform)


def list_pipelines(kfp, match, query, body):
    rows = [
        each
        for each in kfp.pipelines.values()
        if each["namespace"] == _namespace(kfp, query.get("namespace", ""))
    ]
    found = listing.page(rows, query, _PIPELINE_FIELDS, "pipeline_id")
    return listing.answer("pipelines", *found)


def get_pipeline(kfp, match, query, body):
    return _pipeline(kfp, match["pipeline"], f"Failed to get a pipeline {match['pipeline']}")


def delete_pipeline(kfp, match, query, body):
    pipeline = _pipeline(kfp, match["pipeline"], "Failed to delete a pipeline")["pipeline_id"]
    if _versions(kfp, pipeline):
        raise invalid(f"Failed to delete pipeline {pipeline} as it has existing pipeline versions")
    del kfp.pipelines[pipeline]
    return {}


def list_versions(kfp, match, query, body):
    pipeline = _pipeline(kfp, match["pipeline"], "Failed to list pipeline versions")
    rows = _versions(kfp, pipeline["pipeline_id"])
    found = listing.page(rows, query, _VERSION_FIELDS, "pipeline_version_id")
    return listing.answer("pipeline_versions", *found)


def get_version(kfp, match, query, body):
    found = kfp.versions.get(match["version"])
    if found is None:
        wrap = f"Failed to get a pipeline version {match['version']}"
        raise not_found("PipelineVersion", match["version"]).wrapped(wrap)
    return found


def delete_version(kfp, match, query, body):
    del kfp.versions[get_version(kfp, match, query, body)["pipeline_version_id"]]
    return {}


ROUTES = [
    ("POST", "/pipelines", create),
    ("POST", "/pipelines/upload", upload),
    ("POST", "/pipelines/upload_version", upload_version),
    ("GET", "/pipelines", list_pipelines),
    ("GET", "/pipelines/(?P<pipeline>[^/:]+)", get_pipeline),
    ("DELETE", "/pipelines/(?P<pipeline>[^/:]+)", delete_pipeline),
    ("GET", "/pipelines/(?P<pipeline>[^/:]+)/versions", list_versions),
    ("GET", "/pipelines/(?P<pipeline>[^/:]+)/versions/(?P<version>[^/:]+)", get_version),
    ("DELETE", "/pipelines/(?P<pipeline>[^/:]+)/versions/(?P<version>[^/:]+)", delete_version),
]


def _is_taken(kfp, name, described):
    mine = (name.lower(), _namespace(kfp, described.get("namespace", "")))
    return mine in {(each["name"].lower(), each["namespace"]) for each in kfp.pipelines.values()}


def _add_pipeline(kfp, name, display_name, described):
    shown = {
        "pipeline_id": kfp.new_id(),
        "name": name,
        "display_name": display_name or name,
        "description": described.get("description", ""),
        "created_at": kfp.now(),
        "namespace": _namespace(kfp, described.get("namespace", "")),
    }
    kfp.pipelines[shown["pipeline_id"]] = shown
    return shown


def _add_version(kfp, pipeline, described, spec, platform):
    shown = {
        "pipeline_id": pipeline,
        "pipeline_version_id": kfp.new_id(),
        "name": described["name"],
        "display_name": described["display_name"],
        "description": described["description"],
        "created_at": kfp.now(),
        # With a platform spec, the two stand side by side.
        "pipeline_spec": {"pipeline_spec": spec, "platform_spec": platform} if platform else spec,
    }
    kfp.versions[shown["pipeline_version_id"]] = shown
    return shown


def _versions(kfp, pipeline):
    return [each for each in kfp.versions.values() if each["pipeline_id"] == pipeline]


def _pipeline(kfp, name, wrap):
    if name not in kfp.pipelines:
        raise not_found("Pipeline", name).wrapped(wrap)
    return kfp.pipelines[name]


def _namespace(kfp, asked):
    """A single-user installation ignores namespaces."""
    return asked if kfp.multi_user else ""


def _check_length(name):
    if len(name) > _LONGEST_NAME:
        raise UploadRefusedError(400, f"Pipeline.Name length cannot exceed {_LONGEST_NAME}")


def _read(body, unread):
    """The two documents of an upload, held against the schema as the server does it."""
    if not body.get("content"):
        raise UploadRefusedError(400, unread)
    if not body["name"].endswith((".yaml", ".yml", ".json")):
        raise UploadRefusedError(400, "Failed to read a pipeline spec file")
    spec = platform = None
    try:
        for document in documents(body["content"]):
            if "pipelineInfo" in document:
                ParseDict(document, pipeline_spec_pb2.PipelineSpec())
                spec = document
            elif "platforms" in document:
                ParseDict(document, pipeline_spec_pb2.PlatformSpec())
                platform = document
    except (yaml.YAMLError, ParseError, TypeError) as error:
        raise UploadRefusedError(400, f"invalid v2 pipeline spec: {error}") from None
    if spec is None:
        raise UploadRefusedError(400, "no pipeline spec is provided")
    if spec.get("schemaVersion") != "2.1.0":
        raise UploadRefusedError(400, "KFP only supports schema version 2.1.0")
    return spec, platform
