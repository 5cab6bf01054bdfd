"""`POST /ws/ticket`: a ticket for a page, which can give a WebSocket or an EventSource no header."""

from quart import Blueprint, Response

from phaseline_server.access.keeper import CURRENT, TICKET_S
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services

__all__ = ["blueprint"]


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("ticket", __name__)

    @routes.post("/ws/ticket")
    async def ticket() -> Response:
        text = services.keeper.ticket(CURRENT.get().known)
        return json_answer({"success": True, "ticket": text, "expires_seconds": TICKET_S})

    return routes
