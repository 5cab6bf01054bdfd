"""`GET /openapi.json`: the OpenAPI document."""

from functools import cache

import msgspec
from quart import Response

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.openapi import document
from phaseline_server.http.routes.common import raw_json
from phaseline_server.http.services import Services
from phaseline_server.http.table import ROUTES

__all__ = ["add_handlers"]


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(document(ROUTES))


def add_handlers(handlers: Handlers, _: Services) -> None:
    """Register the handler of `GET /openapi.json`."""

    @handlers
    async def openapi() -> Response:
        return raw_json(_encoded())
