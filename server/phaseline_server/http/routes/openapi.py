"""`GET /openapi.json`: every route, what it takes and what it answers."""

import msgspec
from quart import Blueprint, Response, current_app

from phaseline_server.http.openapi import document
from phaseline_server.http.routes.common import raw_json
from phaseline_server.http.services import Services

__all__ = ["blueprint"]


def blueprint(_: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("openapi", __name__)
    made: list[bytes] = []

    @routes.get("/openapi.json")
    async def openapi() -> Response:
        if not made:  # now that all routes are known
            rules = [rule for rule in current_app.url_map.iter_rules() if not rule.websocket]
            found = ((method, rule.rule) for rule in rules for method in rule.methods or ())
            made.append(msgspec.json.encode(document(found)))
        return raw_json(made[0])

    return routes
