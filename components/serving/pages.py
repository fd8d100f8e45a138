"""The pages for people: `/docs`, and the document that it shows.

Swagger UI comes from the package `swagger-ui-bundle`: a server needs no network for its page.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from components.serving.codec import to_json
from components.serving.openapi import openapi

# Addresses are relative, so that the page also works behind a prefix.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>driftline: {name}</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null
});
"""
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}


async def _openapi(request: Request) -> Response:
    serving = request.app.state
    document = openapi(serving.served, secured=serving.token is not None, counting=serving.counting)
    return Response(to_json(document), media_type="application/json")


async def _docs(request: Request) -> Response:
    # A model's name needs no escapes: the spec allows letters, digits and dashes.
    page = _PAGE.format(name=request.app.state.served.name)
    return HTMLResponse(page, headers={"content-security-policy": _POLICY})


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_folder() / name, media_type=_FILES[name])


@cache
def _folder() -> Path:
    import swagger_ui_bundle  # type: ignore[import-untyped] # ships no types

    return Path(str(swagger_ui_bundle.swagger_ui_path))


PAGES = [
    Route("/openapi.json", _openapi),
    Route("/docs", _docs),
    Route("/docs/{name}", _file),
]
