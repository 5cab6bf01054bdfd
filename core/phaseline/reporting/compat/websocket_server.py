"""The photo protocol's `WebSocketServer`: in a worker, a client of the server."""

from typing import Any

from phaseline.model.events import Event
from phaseline.reporting.reporter import Reporter

__all__ = ["WebSocketServer", "get_websocket_server"]


class WebSocketServer:
    """A stand-in for the server, in a process that reports to it.

    Attributes:
        reporter: Delivers the messages in the background.
    """

    def __init__(self, reporter: Reporter | None = None) -> None:
        """Broadcast with `reporter`, or with a new one to PROGRESS_URL."""
        self.reporter = reporter or Reporter()

    def broadcast(self, message: dict[str, Any] | Event, channel: str | None = None) -> None:  # noqa: ARG002
        """Send a message to the server, which publishes it; never block.

        Args:
            message: A report of the photo protocol.
            channel: Ignored; the server chooses the channels by the message's type.
        """
        if isinstance(message, dict) and message.get("type") == "job_started":
            message = {"host": self.reporter.host, **message}
        self.reporter.report(message)


_server: WebSocketServer | None = None


def get_websocket_server() -> WebSocketServer:
    """Return this process's client of the server at PROGRESS_URL [`ws://127.0.0.1:5100/ws`].

    It connects in the background at the first message, and retries undelivered ones later.
    """
    global _server  # noqa: PLW0603 - the photo protocol has one per process
    if _server is None:
        _server = WebSocketServer()
    return _server
