"""The listening side: addresses, the accept loop, and one guarded task for each connection.

HTTP is spoken by hypercorn, inside our own guard, and WebSockets by ourselves: whatever one client provokes ends its
connection alone, and a client that does not read can't keep the server from ending.
"""

from phaseline_server.door.app_tasks import CLIENT_LEFT, LEFT
from phaseline_server.door.door import Door, Statistics
from phaseline_server.door.limits import Limits
from phaseline_server.door.listen import open_listeners, url_of
from phaseline_server.door.tls import Tls
from phaseline_server.door.websocket import FANOUT, WebSocket

__all__ = [
    "CLIENT_LEFT",
    "FANOUT",
    "LEFT",
    "Door",
    "Limits",
    "Statistics",
    "Tls",
    "WebSocket",
    "open_listeners",
    "url_of",
]
