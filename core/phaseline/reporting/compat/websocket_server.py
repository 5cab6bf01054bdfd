"""What seed B's programs call the WebSocket server: in a worker, the way to it."""

from typing import Any

from phaseline.model.events import Event
from phaseline.reporting.reporter import Reporter

__all__ = ["WebSocketServer", "get_websocket_server"]


class WebSocketServer:
    """Stands for the server in a process that reports to it.

    Attributes:
        reporter: What delivers, in the background.
    """

    def __init__(self, reporter: Reporter | None = None) -> None:
        """Broadcast by `reporter`, or by one to PROGRESS_URL."""
        self.reporter = reporter or Reporter()

    def broadcast(self, message: dict[str, Any] | Event, channel: str | None = None) -> None:  # noqa: ARG002
        """Have the server tell its subscribers; never waits.

        Args:
            message: One of B's messages, as a reporter sends them.
            channel: As in B; the server itself knows which message goes where.
        """
        if isinstance(message, dict) and message.get("type") == "job_started":
            message = {"host": self.reporter.host, **message}
        self.reporter.report(message)


_server: WebSocketServer | None = None


def get_websocket_server() -> WebSocketServer:
    """Return this process's way to the server at PROGRESS_URL, by default `ws://127.0.0.1:5100/ws`.

    It connects in the background once there is something to say, and delivers later what can't be delivered now.
    """
    global _server  # noqa: PLW0603 - one for all, as in B
    if _server is None:
        _server = WebSocketServer()
    return _server
