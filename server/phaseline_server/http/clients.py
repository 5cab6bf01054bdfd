"""Who is connected, by whichever transport."""

import secrets
from dataclasses import dataclass, field

import trio

from phaseline.errors import TooMany, UnknownClient
from phaseline.stream import Position

__all__ = ["Client", "Clients"]


@dataclass
class Client:
    """One client.

    Attributes:
        client_id: Given by the server.
        transport: `websocket` or `polling`.
        client_type: What the client says it is.
        channels: What it is subscribed to.
        position: Of one that polls: up to where it has the stream.
        since: Trio's time when it came, in seconds.
        seen: Trio's time when it was last heard of, in seconds.
    """

    client_id: str
    transport: str
    position: Position
    client_type: str = ""
    channels: frozenset[str] = frozenset()
    since: float = field(default_factory=trio.current_time)
    seen: float = field(default_factory=trio.current_time)


class Clients:
    """All clients. One that polls is forgotten when it has not been heard of for `patience` seconds."""

    def __init__(self, patience: float = 300.0, most: int = 10_000) -> None:
        """Keep at most `most` clients that poll; how many others there are is the door's business."""
        self._patience = patience
        self._most = most
        self._clients: dict[str, Client] = {}
        self._polling: dict[str, Client] = {}  # of these; to look at all at each arrival would be a storm's undoing

    def add(self, transport: str, position: Position, client_type: str = "") -> Client:
        """Add a client.

        Raises:
            TooMany: Too many poll already.
        """
        self._drop_silent()
        if transport == "polling" and len(self._polling) >= self._most:
            raise TooMany(f"{len(self._polling)} clients poll; allowed: at most {self._most}; come back later")
        client = Client(secrets.token_hex(8), transport, position, client_type)
        self._clients[client.client_id] = client
        if transport == "polling":
            self._polling[client.client_id] = client
        return client

    def polling(self, client_id: str) -> Client:
        """Return a client that polls, and note that it was heard of.

        Raises:
            UnknownClient: It was never there, left, or was silent for too long; it shakes hands again.
        """
        self._drop_silent()
        client = self._clients.get(client_id)
        if client is None or client.transport != "polling":
            raise UnknownClient(client_id)
        client.seen = trio.current_time()
        return client

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.pop(client.client_id, None)
        self._polling.pop(client.client_id, None)

    def all(self) -> list[Client]:
        """Return all clients, the oldest first."""
        self._drop_silent()
        return list(self._clients.values())

    def _drop_silent(self) -> None:
        limit = trio.current_time() - self._patience
        for client in [client for client in self._polling.values() if client.seen < limit]:
            self.remove(client)
