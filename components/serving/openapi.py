"""The OpenAPI document of a server: what it takes and answers, written from its release."""

from __future__ import annotations

from typing import Any

from components.serving.domain import Domain
from components.serving.outputs import metadata
from components.serving.served import ServedModel

_SHOWN = 20
_ERRORS = {
    400: "no JSON, no UTF-8, no gzip, a key given twice, or NaN",
    413: "too many rows, or too many bytes",
    415: "a content encoding other than gzip",
    422: "a missing or unknown column, or a value that cannot be answered",
    503: "too many requests at once: try again after the seconds of Retry-After",
}

Node = dict[str, Any]


def openapi(served: ServedModel, *, secured: bool, counting: bool = True) -> Node:
    """The document, in OpenAPI 3.0.

    Args:
        served: what answers.
        secured: whether `/predict` and `/infer` demand a token.
        counting: whether there are metrics.
    """
    one = f"/v2/models/{served.name}"
    security: Node = {"security": [{"token": []}]} if secured else {}
    document: Node = {
        "openapi": "3.0.3",
        "info": {
            "title": f"{served.name}: model server",
            "version": served.release,
            "description": "Predictions by rows (`/predict`) and by the Open Inference Protocol v2 "
            f"(`{one}/infer`). Of each feature it says what training saw.",
        },
        "paths": {
            "/predict": {"post": {**_predict(served, secured=secured), **security}},
            f"{one}/infer": {"post": {**_infer(served, secured=secured), **security}},
            one: {"get": _get("What the model takes and answers", "Metadata")},
            f"{one}/ready": {"get": _get("Whether the model answers", "Ready", 503)},
            "/v2": {"get": _get("What this server is", "Server")},
            "/v2/models": {"get": _get("The models served", "Models")},
            "/v2/health/live": {"get": _get("Whether the process runs", "Live")},
            "/v2/health/ready": {"get": _get("Whether the model answers", "Ready", 503)},
        },
        "components": {"schemas": _schemas(served)},
    }
    if counting:
        document["paths"]["/metrics"] = {"get": _plain("Counters, for Prometheus")}
    if secured:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def example_row(served: ServedModel) -> Node:
    """A row that is answered: recorded at training, or else made of what training saw."""
    if served.example is not None:
        return dict(served.example)
    domain, columns = served.domain, served.spec.columns
    row: Node = {}
    for name, low, high in zip(columns.numeric, domain.low, domain.high, strict=True):
        middle = float(low) / 2 + float(high) / 2
        row[name] = middle if abs(middle) < float("inf") else 0.0
    for name, known in zip(columns.categorical, domain.known, strict=True):
        row[name] = min(known) if known else "text"
    return row


def _predict(served: ServedModel, *, secured: bool) -> Node:
    example = {"rows": [example_row(served)]}
    return {
        "summary": "Answer rows, given as objects by column name",
        "requestBody": _body("PredictRequest", example),
        "responses": _responses("PredictResponse", secured=secured),
    }


def _infer(served: ServedModel, *, secured: bool) -> Node:
    row = example_row(served)
    inputs = [
        {**tensor, "shape": [1], "data": [row[tensor["name"]]]}
        for tensor in metadata(served.spec.columns, served.classes, served.outputs)["inputs"]
        if tensor["name"] in row
    ]
    return {
        "summary": "Answer tensors, one a column, by the Open Inference Protocol v2",
        "requestBody": _body("InferRequest", {"inputs": inputs}),
        "responses": _responses("InferResponse", secured=secured),
    }


def _schemas(served: ServedModel) -> Node:
    columns, number, text = served.spec.columns, {"type": "number"}, {"type": "string"}
    properties: Node = {
        columns.id: {**text, "nullable": True, "description": "The row's id; one is made up."},
        columns.time: {
            **text,
            "nullable": True,
            "format": "date-time",
            "description": "When it happens; now where it is left out.",
        },
        **_features(served.domain),
    }
    rows = {"type": "array", "minItems": 1, "maxItems": served.spec.serving.max_rows}
    label: Node = number if not served.classes else _label(served.classes[0])
    answer: Node = {"id": text, "prediction": label}
    if "probability" in served.outputs:
        shares = dict.fromkeys(served.class_names, number)
        answer["probability"] = {"type": "object", "properties": shares}
    tensor: Node = _object(
        name=text, shape=_list({"type": "integer"}), datatype=text, data={"type": "array"}
    )
    tensor["properties"]["data"]["items"] = {}
    return {
        "Row": {"type": "object", "required": columns.features, "properties": properties},
        "PredictRequest": _object(rows={**rows, "items": _ref("Row")}),
        "PredictResponse": _object(
            model=text, release=text, request_id=text, predictions=_list(_object(**answer))
        ),
        "Tensor": tensor,
        "InferRequest": {
            **_object(inputs=_list(_ref("Tensor")), id=text, outputs=_list(_object(name=text))),
            "required": ["inputs"],
        },
        "InferResponse": _object(
            model_name=text, model_version=text, id=text, outputs=_list(_ref("Tensor"))
        ),
        "Metadata": {"type": "object"},
        "Server": _object(name=text, version=text, extensions=_list(text)),
        "Models": _object(models=_list(text)),
        "Live": _object(live={"type": "boolean"}),
        "Ready": _object(ready={"type": "boolean"}, name=text, release=text),
        "Error": _object(error={**text, "description": "What was wrong, and where."}),
    }


def _features(domain: Domain) -> Node:
    columns = domain.columns
    features: Node = {}
    for name, low, high in zip(columns.numeric, domain.low, domain.high, strict=True):
        told = f"From {low:g} to {high:g} raises no doubt." if abs(low) < float("inf") else ""
        features[name] = {"type": "number", "description": told}
    for name, known in zip(columns.categorical, domain.known, strict=True):
        shown = sorted(known or ())
        told = ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
        features[name] = {"type": "string", "description": f"Seen in training: {told or 'many'}."}
    for name in domain.nulls:
        features[name]["nullable"] = True
    return features


def _label(value: Any) -> Node:
    kinds = {bool: "boolean", int: "integer"}
    return {"type": kinds.get(type(value), "string")}


def _object(**properties: Node) -> Node:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Node) -> Node:
    return {"type": "array", "items": items}


def _ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(name: str, example: Node | None = None) -> Node:
    content: Node = {"schema": _ref(name)}
    if example is not None:
        content["example"] = example
    return {"application/json": content}


def _body(name: str, example: Node) -> Node:
    return {"required": True, "content": _content(name, example)}


def _responses(name: str, *, secured: bool) -> Node:
    errors = {**_ERRORS, 401: "no token, or another one"} if secured else _ERRORS
    responses: Node = {"200": {"description": "the answer", "content": _content(name)}}
    for status, told in sorted(errors.items()):
        responses[str(status)] = {"description": told, "content": _content("Error")}
    return responses


def _get(summary: str, name: str, otherwise: int | None = None) -> Node:
    responses: Node = {"200": {"description": "the answer", "content": _content(name)}}
    if otherwise is not None:
        responses[str(otherwise)] = {"description": "no", "content": _content(name)}
    return {"summary": summary, "responses": responses}


def _plain(summary: str) -> Node:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": "text", "content": content}}}
