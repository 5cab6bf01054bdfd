"""The guard: every request and every upgrade passes it before a route sees them."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from quart import Response, request, websocket
from quart.wrappers import Request, Websocket
from quart_trio import QuartTrio

from phaseline.errors import Unauthorized
from phaseline_server.access.keeper import CURRENT, Keeper
from phaseline_server.access.origins import Hosts, Origins
from phaseline_server.access.rules import Need, Rule
from phaseline_server.config.settings import Settings

__all__ = ["Guard"]

_BEARER: Final = "bearer "
_MOST_TOKEN: Final = 500
# The only paths that take a ticket in their query: a page can give neither a WebSocket nor an EventSource a header.
_TAKE_TICKETS: Final = frozenset({"/ws", "/events"})
_UPGRADE: Final = "WEBSOCKET"


class Guard:
    """Checks the host, the page that asks, the token, and the route's rule; in this order."""

    def __init__(self, settings: Settings, keeper: Keeper, rules: Mapping[str, Rule]) -> None:
        """Guard by `settings`, with the tokens of `keeper`; `rules` has the rule of each endpoint."""
        self._hosts = Hosts(settings.bind, settings.allow_host)
        self._origins = Origins(settings.allow_origin)
        self._keeper = keeper
        self._rules = rules

    def attach(self, app: QuartTrio) -> None:
        """Stand before every route of `app`."""
        app.before_request(self._before_request)
        app.before_websocket(self._before_websocket)
        if self._origins.any_listed:
            app.after_request(self._after_request)

    async def _before_request(self) -> Response | None:
        asked = frozenset(request.args) if request.query_string else _NOTHING
        rule = self._rules[request.endpoint] if request.endpoint else _NO_ROUTE
        self._check_page(request, changing=rule.changes(request.method, asked))
        origin = request.headers.get("Origin")
        if request.method == "OPTIONS":
            # A browser asks whether a page may ask: with a token or not, its answer tells of no job.
            if self._origins.listed(origin) and "Access-Control-Request-Method" in request.headers:
                return Response("", 204, _PREFLIGHT)
            return None
        access = self._keeper.access(partial(_shown, request))
        CURRENT.set(access)
        rule.check(access.grant, asked)
        return None

    def _check_page(self, asking: Request | Websocket, *, changing: bool) -> None:
        server = asking.scope.get("server")
        own = server[0] if server else None
        self._hosts.check(asking.headers.get("Host"), own)
        scheme = {"ws": "http", "wss": "https"}.get(asking.scheme, asking.scheme)
        self._origins.check(asking.headers, scheme, own, changing=changing)

    async def _before_websocket(self) -> None:
        self._check_page(websocket, changing=True)
        CURRENT.set(self._keeper.access(partial(_shown, websocket)))

    async def _after_request(self, response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is not None and self._origins.listed(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers.add("Vary", "Origin")
        return response


_NOTHING: Final[frozenset[str]] = frozenset()
_NO_ROUTE: Final = Rule(Need.NOTHING)  # the answer is 404, or 405
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}


def _shown(asking: Request | Websocket) -> str | None:
    """Return the token or the ticket that a client shows; None if it shows none.

    Raises:
        Unauthorized: Its header is of another kind.
    """
    header = asking.headers.get("Authorization")
    if header is None:
        return asking.args.get("ticket") if asking.path in _TAKE_TICKETS else None
    if not header.lower().startswith(_BEARER) or len(header) > _MOST_TOKEN:
        raise Unauthorized("the header Authorization holds no Bearer token")
    return header[len(_BEARER) :].strip()
