"""The network side of the server: listen addresses, the accept loop and one guarded task per connection.

Hypercorn speaks HTTP inside a guard of ours; the WebSocket implementation is our own. An error that a client causes
ends only its own connection, and a client that does not read cannot block the shutdown.
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
