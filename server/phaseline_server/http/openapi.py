"""The OpenAPI document, built from the route table."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from phaseline import __version__
from phaseline_server.access.rules import Need
from phaseline_server.http import answers
from phaseline_server.http.route import JSON, Route

__all__ = ["document"]

# Errors of the guard and the door, which any path can return.
_ALWAYS: Final = {
    400: "The request is not valid HTTP/1.1.",
    401: "No valid token was sent.",
    403: "The token does not allow this, or a page of another origin sent the request.",
    405: "The path does not accept this method.",
    408: "The request head was not received in time.",
    410: "The link that was sent in place of a token has expired or was revoked.",
    421: "The request is for another host.",
    429: "Too many requests. The Retry-After header gives the time to wait.",
    431: "The request head is over the size limit.",
}
_REF: Final = "#/components/schemas/{name}"
# The variable parts of paths that have a fixed form; any other is not empty.
_PATTERNS: Final = {"series": "[A-Za-z0-9_-]{1,64}", "address": "0x[0-9A-Fa-f]{1,64}"}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of these routes, without WebSocket upgrades, which OpenAPI cannot describe."""
    schemas = _Schemas()
    paths: dict[str, Any] = {}
    shown = sorted((route for route in routes if route.method != "WEBSOCKET"), key=lambda route: route.path)
    for route in shown:
        operation = paths.setdefault(route.path, {})[route.method.lower()] = _operation(schemas, route)
        if route.gives:
            operation["responses"]["200"]["links"] = _links(route.gives, shown)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Phaseline", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """Schemas of types. Named types are collected once in `components`."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def of(self, kind: Any) -> Any:
        """Return the schema of a type; a dict is already a schema."""
        if isinstance(kind, dict):
            return {key: [self.of(one) for one in value] if key == "anyOf" else value for key, value in kind.items()}
        (schema,), components = msgspec.json.schema_components([kind], ref_template=_REF)
        self.components |= components
        return schema


def _operation(schemas: _Schemas, route: Route) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": _part(name)} for name in route.variables] + [
        {"name": name, "in": "query", "schema": schemas.of(kind)} for name, kind in route.query.items()
    ]
    failure = {JSON: {"schema": schemas.of(answers.Failure)}}
    errors = {status: {"description": _ALWAYS.get(status, "Rejected."), "content": failure} for status in route.errors}
    always = {status: {"description": text, "content": failure} for status, text in _ALWAYS.items()}
    good = {
        status: {
            "description": route.summary,
            "content": {kind: {} if of is None else {"schema": schemas.of(of)} for kind, of in content.items()},
        }
        for status, content in route.answers.items()
    }
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters,
        "responses": {str(status): answer for status, answer in sorted((always | errors | good).items())},
    }
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": {route.body_kind: {"schema": schemas.of(route.body)}}}
    if route.rule.need is not Need.NOTHING:
        described["security"] = [{"token": []}]
    return described


def _links(name: str, routes: Iterable[Route]) -> dict[str, Any]:
    """Return the links from an answer that gives an id of this name to the routes that take it."""
    return {
        route.name: {"operationId": route.name, "parameters": {name: f"$response.body#/{name}"}}
        for route in routes
        if name in (*route.variables, *route.query)
    }


def _part(name: str) -> dict[str, Any]:
    """Return the schema of a variable part of a path."""
    pattern = _PATTERNS.get(name)
    return {"type": "string", "minLength": 1} if pattern is None else {"type": "string", "pattern": f"^{pattern}$"}
