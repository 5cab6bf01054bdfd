"""The connected clients, over any transport."""

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
        client_id: Its id, assigned by the server.
        transport: `websocket` or `polling`.
        position: The last position that a polling client acknowledged.
        client_type: The type that the client reports.
        channels: The channels it subscribes to.
        since: When it connected, in seconds of Trio's clock.
        seen: When it last sent something, in seconds of Trio's clock.
    """

    client_id: str
    transport: str
    position: Position
    client_type: str = ""
    channels: frozenset[str] = frozenset()
    since: float = field(default_factory=trio.current_time)
    seen: float = field(default_factory=trio.current_time)


class Clients:
    """All connected clients."""

    def __init__(self, patience: float = 300.0, most: int = 10_000) -> None:
        """Create an empty registry.

        Args:
            patience: Seconds after which a silent polling client is removed.
            most: Maximum number of polling clients. The door limits the other transports.
        """
        self._patience = patience
        self._most = most
        self._clients: dict[str, Client] = {}
        self._polling: dict[str, Client] = {}  # a subset: scanning all clients on each arrival would be too slow

    def add(self, transport: str, position: Position, client_type: str = "") -> Client:
        """Add a client.

        Raises:
            TooMany: The limit of polling clients is reached.
        """
        self._drop_silent()
        if transport == "polling" and len(self._polling) >= self._most:
            raise TooMany(f"{len(self._polling)} clients are polling; allowed: at most {self._most}; try again later")
        client = Client(secrets.token_hex(8), transport, position, client_type)
        self._clients[client.client_id] = client
        if transport == "polling":
            self._polling[client.client_id] = client
        return client

    def polling(self, client_id: str) -> Client:
        """Return a polling client and record that it is active.

        Raises:
            UnknownClient: The id is unknown, or the session was closed or timed out. The client must open a new one.
        """
        self._drop_silent()
        client = self._clients.get(client_id)
        if client is None or client.transport != "polling":
            raise UnknownClient(client_id)
        client.seen = trio.current_time()
        return client

    def remove(self, client: Client) -> None:
        """Remove a client."""
        self._clients.pop(client.client_id, None)
        self._polling.pop(client.client_id, None)

    def all(self) -> list[Client]:
        """Return all clients, oldest first."""
        self._drop_silent()
        return list(self._clients.values())

    def _drop_silent(self) -> None:
        limit = trio.current_time() - self._patience
        for client in [client for client in self._polling.values() if client.seen < limit]:
            self.remove(client)
