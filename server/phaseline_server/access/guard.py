"""The guard, which checks every request and every upgrade before the route runs."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from quart import Response, request, websocket
from quart.wrappers import Request, Websocket
from quart_trio import QuartTrio

from phaseline_server.access.keeper import CURRENT, Access, Keeper
from phaseline_server.access.origins import Hosts, Origins
from phaseline_server.access.rules import Need, Rule
from phaseline_server.config.settings import Settings
from phaseline_server.errors import Unauthorized, UnknownPath

__all__ = ["FORWARDED", "Guard"]

FORWARDED: Final = "Phaseline-Forwarded"
"""The header of a forwarded request with the id of the client's token; it is valid only with the follower's pass."""
_BEARER: Final = "bearer "
_MOST_TOKEN: Final = 500
# The only paths that accept a ticket, because a page can set headers on every other request.
_TAKE_TICKETS: Final = frozenset({"/ws", "/events"})
_UPGRADE: Final = "WEBSOCKET"


class Guard:
    """Checks the host, the origin, the token and the route's rule, in this order."""

    def __init__(self, settings: Settings, keeper: Keeper, rules: Mapping[str, Rule]) -> None:
        """Create a guard.

        Args:
            settings: The listen addresses, allowed hosts and allowed origins.
            keeper: The tokens.
            rules: The rule of each endpoint.
        """
        advertised = urlsplit(settings.advertise).hostname
        self._hosts = Hosts(settings.bind, (*settings.allow_host, *((advertised,) if advertised else ())))
        self._origins = Origins(settings.allow_origin)
        self._keeper = keeper
        self._rules = rules

    def attach(self, app: QuartTrio) -> None:
        """Install the checks before every route of `app`."""
        app.before_request(self._before_request)
        app.before_websocket(self._before_websocket)
        if self._origins.any_listed:
            app.after_request(self._after_request)

    async def _before_request(self) -> Response | None:
        parameters = frozenset(request.args) if request.query_string else _NOTHING
        rule = self._rules[request.endpoint] if request.endpoint else _NO_ROUTE
        self._check_page(request, changing=rule.changes(request.method, parameters))
        _check_path(request)
        origin = request.headers.get("Origin")
        if request.method == "OPTIONS":
            # A CORS preflight carries no token, and its response contains no data of a job.
            if self._origins.listed(origin) and "Access-Control-Request-Method" in request.headers:
                return Response("", 204, _PREFLIGHT)
            return None
        access = await self._access(request)
        CURRENT.set(access)
        rule.check(access.grant, parameters)
        return None

    def _check_page(self, incoming: Request | Websocket, *, changing: bool) -> None:
        server = incoming.scope.get("server")
        own = server[0] if server else None
        # Quart makes an empty header of one that is missing, which HTTP/1.0 allows.
        host = incoming.headers.get("Host") or (None if incoming.http_version == "1.0" else "")
        self._hosts.check(host, own)
        scheme = {"ws": "http", "wss": "https"}.get(incoming.scheme, incoming.scheme)
        self._origins.check(incoming.headers, scheme, own, changing=changing)

    async def _before_websocket(self) -> None:
        self._check_page(websocket, changing=True)
        _check_path(websocket)
        CURRENT.set(await self._access(websocket))

    async def _access(self, incoming: Request | Websocket) -> Access:
        return await self._keeper.access(
            partial(_sent_token, incoming),
            tickets=incoming.path in _TAKE_TICKETS,
            forwarded=incoming.headers.get(FORWARDED),
        )

    async def _after_request(self, response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is not None and self._origins.listed(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers.add("Vary", "Origin")
        return response


_NOTHING: Final[frozenset[str]] = frozenset()
_NO_ROUTE: Final = Rule(Need.NOTHING)  # the response is 404 or 405
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}


def _check_path(incoming: Request | Websocket) -> None:
    """Raise UnknownPath unless the fixed parts of the path are written exactly as in the route.

    Werkzeug also matches a path with several leading slashes, or with encoded characters. A proxy in front, which
    restricts paths, would see another path.
    """
    if incoming.url_rule is None:
        return
    rule, raw = incoming.url_rule.rule, incoming.scope["raw_path"].decode("latin-1")
    fixed = rule.partition("<")[0]
    if not raw.startswith(fixed) or (fixed == rule != raw) or raw.count("/") < rule.count("/"):
        raise UnknownPath(raw)


def _sent_token(incoming: Request | Websocket) -> str | None:
    """Return the token or ticket that the client sent, or None.

    Raises:
        Unauthorized: The `Authorization` header holds no Bearer token.
    """
    header = incoming.headers.get("Authorization")
    if header is None:
        return incoming.args.get("ticket") if incoming.path in _TAKE_TICKETS else None
    if not header.lower().startswith(_BEARER) or len(header) > _MOST_TOKEN:
        raise Unauthorized("the Authorization header holds no Bearer token")
    return header[len(_BEARER) :].strip()
