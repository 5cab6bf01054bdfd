"""The app of a server that waits for its log: every request is rejected for now, except for its health."""

from quart import Response, request
from quart_trio import QuartTrio

from phaseline import __version__
from phaseline_server.errors import LogUnavailable
from phaseline_server.http.app import error_answer
from phaseline_server.http.quart_calls import HttpCall, WebSocketCall
from phaseline_server.http.routes.common import json_answer
from phaseline_server.log.protocol import Standing

__all__ = ["Waiting", "make_waiting_room"]


class Waiting:
    """The reason why a server waits.

    Attributes:
        standing: Its part among the servers.
        error: The error to answer.
    """

    def __init__(self) -> None:
        """Start without a known leader."""
        self.standing = Standing("follower")
        self.error = LogUnavailable("the log is being opened; send the request again")

    def update(self, reason: Standing | LogUnavailable) -> bool:
        """Record the present reason; return whether it is another one than before."""
        before = str(self.error)
        if isinstance(reason, LogUnavailable):
            self.error = LogUnavailable(str(reason))
        else:
            self.standing = reason
            where = reason.leader or "which is starting"
            self.error = LogUnavailable(f"this server can't follow the log yet; send requests to the leader, {where}")
        return str(self.error) != before

    def mirror(self, source: str, problem: str) -> None:
        """Record that this mirror has no copy yet, because the source has this problem."""
        self.standing = Standing("mirror", leader=source)
        why = f"the source is unreachable: {problem}" if problem else "the copy is being made"
        self.error = LogUnavailable(f"this mirror of {source} has no copy yet; {why}; retry later")


def make_waiting_room(waiting: Waiting) -> QuartTrio:
    """Return the app, which reads `waiting` for each request."""
    app = QuartTrio("phaseline_server", static_folder=None)
    app.asgi_http_class, app.asgi_websocket_class = HttpCall, WebSocketCall
    app.config["BODY_TIMEOUT"] = app.config["RESPONSE_TIMEOUT"] = None

    @app.before_request
    async def reject() -> Response:
        if request.path != "/health" or request.args.get("check") == "readiness":
            return error_answer(LogUnavailable(str(waiting.error)))
        report = {"status": "ok", "version": __version__, "role": waiting.standing.role}
        if waiting.standing.leader:
            report["leader"] = waiting.standing.leader
        return json_answer(report)

    @app.before_websocket
    async def reject_websocket() -> Response:
        return error_answer(LogUnavailable(str(waiting.error)))

    return app
