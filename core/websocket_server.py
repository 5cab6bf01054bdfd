"""The way to the server, as the progress reporting quick start has it: `get_websocket_server()`.

In whichever process it is called, the "server" is a connection in the background to the server at PROGRESS_URL (default
`ws://127.0.0.1:5100/ws`), made when there is something to say. Its `broadcast(message, channel=...)` never waits; while
the server is away, messages are kept, and delivered once it is back.
"""

from phaseline.reporting.compat.websocket_server import WebSocketServer, get_websocket_server

__all__ = ["WebSocketServer", "get_websocket_server"]
