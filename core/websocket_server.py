"""Provide `get_websocket_server()`, the connection to the server in the progress reporting quick start.

The "server" is this process's background connection to the server at PROGRESS_URL [`ws://127.0.0.1:5100/ws`], opened at
the first message. Its `broadcast(message, channel=...)` never waits. While the server is down, messages are stored;
they are delivered when it is back.
"""

from phaseline.reporting.compat.websocket_server import WebSocketServer, get_websocket_server

__all__ = ["WebSocketServer", "get_websocket_server"]
