"""The interface's description: FastAPI's, with the wire's own types in it."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from monitor import protocol

_REFERENCE = "#/components/schemas/{name}"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "detail", "status", "field"],
    "properties": {
        "type": {"type": "string", "description": "For programs."},
        "title": {"type": "string"},
        "detail": {"type": "string", "description": "What to do, for people."},
        "status": {"type": "integer"},
        "field": {"type": ["string", "null"], "description": "What of the request is at fault."},
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Made once and kept, as FastAPI does."""
    if app.openapi_schema is None:
        app.openapi_schema = _describe(app)
    return app.openapi_schema


def _describe(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, components = msgspec.json.schema_components(
        [protocol.Batch, protocol.Receipt, protocol.Command], ref_template=_REFERENCE
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components, Problem=_PROBLEM)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    failure = {
        "description": "Anything else.",
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = failure
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    return document
