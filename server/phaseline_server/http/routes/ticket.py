"""`POST /ws/ticket`: a ticket for web pages, which cannot set headers on a WebSocket or an EventSource."""

from quart import Response

from phaseline_server.access.keeper import CURRENT
from phaseline_server.access.tickets import TICKET_S
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `POST /ws/ticket`."""

    @handlers
    async def ticket() -> Response:
        grant = CURRENT.get().known
        answer: dict[str, object] = {
            "success": True,
            "ticket": await services.keeper.ticket(grant),
            "expires_seconds": TICKET_S,
        }
        return json_answer(answer | {"scope": grant.scope, "prefix": grant.prefix, "job": grant.job})
