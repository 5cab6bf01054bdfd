"""The connected clients, over any transport, and the limits of each one's state here."""

import secrets
import sys
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

import trio

from phaseline.errors import InvalidField, TooMany
from phaseline.stream import Position
from phaseline_server.access.grant import Grant
from phaseline_server.access.shares import Shares
from phaseline_server.errors import UnknownClient

__all__ = ["MAX_CHANNELS", "Client", "Clients"]

MAX_CHANNELS: Final = 1000
"""Maximum number of channels of one client."""
_SLOT: Final = 64  # bytes that a set takes for each name, besides the name
_ALWAYS: Final = 1024  # bytes of names that a client may keep even if the total is reached


@dataclass(eq=False)
class Client:
    """One client.

    Attributes:
        client_id: Its id, assigned by the server.
        transport: `websocket` or `polling`.
        position: The last position that a polling client acknowledged.
        grant: The permissions with which a polling client opened its session.
        client_type: The type that the client reports.
        channels: The channels it subscribes to; set by `Clients.subscribe`.
        since: When it connected, in seconds of Trio's clock.
        seen: When it last sent something, in seconds of Trio's clock.
    """

    client_id: str
    transport: str
    position: Position
    grant: Grant | None = None
    client_type: str = ""
    channels: frozenset[str] = frozenset()
    since: float = field(default_factory=trio.current_time)
    seen: float = field(default_factory=trio.current_time)


class Clients:
    """All connected clients.

    Attributes:
        subscribers: The number of clients of each channel.
    """

    def __init__(self, patience: float = 300.0, most: int = 10_000, name_bytes: int = 64 * 2**20) -> None:
        """Create an empty registry.

        Args:
            patience: Seconds after which a silent polling client is removed.
            most: Maximum number of polling clients. The door limits the other transports.
            name_bytes: Maximum size of the names of all clients' channels, in memory.
        """
        self._patience = patience
        self._shares = Shares(most, "polling clients")
        self._most_name_bytes = name_bytes
        self._name_bytes = 0
        self._clients: dict[str, Client] = {}
        self._polling: OrderedDict[str, Client] = OrderedDict()  # the longest silent first
        self.subscribers: Counter[str] = Counter()

    def add(self, position: Position) -> Client:
        """Add the client of a WebSocket."""
        client = Client(secrets.token_hex(8), "websocket", position)
        self._clients[client.client_id] = client
        return client

    def open_session(self, position: Position, grant: Grant, client_type: str) -> Client:
        """Add a polling client, whose session only tokens with the same `grant` may use.

        Raises:
            TooMany: The limit of polling clients is reached, for this token or in total.
        """
        self._drop_silent()
        self._shares.take(grant)
        client = Client(secrets.token_hex(8), "polling", position, grant, client_type)
        self._clients[client.client_id] = self._polling[client.client_id] = client
        return client

    def polling(self, client_id: str, grant: Grant) -> Client:
        """Return the polling client of `grant` and record that it is active.

        Raises:
            UnknownClient: The id is unknown, of another token, or of a session that was closed or timed out. The
                client must open a new one.
        """
        self._drop_silent()
        client = self._polling.get(client_id)
        if client is None or client.grant != grant:
            raise UnknownClient(client_id)
        self.see(client)
        return client

    def see(self, client: Client) -> None:
        """Record that a polling client is active."""
        client.seen = trio.current_time()
        if client.client_id in self._polling:
            self._polling.move_to_end(client.client_id)

    def subscribe(self, client: Client, channels: frozenset[str]) -> None:
        """Replace the channels of a client.

        Raises:
            InvalidField: These are too many channels for one client; it keeps those it has.
            TooMany: The names of all clients' channels take too much memory; it keeps those it has.
        """
        if len(channels) > MAX_CHANNELS:
            raise InvalidField("channels", f"{len(channels)} in total", f"{MAX_CHANNELS} subscribed at a time")
        added = _size(channels)
        total = self._name_bytes - _size(client.channels) + added
        if added > _ALWAYS and total > self._most_name_bytes:
            raise TooMany(
                f"the names of all clients' channels would take {total} bytes; allowed: at most "
                f"{self._most_name_bytes}; subscribe to fewer channels, or try again later"
            )
        self._name_bytes = total
        self._count(client.channels, channels)
        client.channels = channels

    def remove(self, client: Client) -> None:
        """Remove a client."""
        if self._clients.pop(client.client_id, None) is None:
            return
        self._name_bytes -= _size(client.channels)
        self._count(client.channels, frozenset())
        if self._polling.pop(client.client_id, None) is not None and client.grant is not None:
            self._shares.give_back(client.grant)

    def all(self) -> list[Client]:
        """Return all clients, oldest first."""
        self._drop_silent()
        return list(self._clients.values())

    def _drop_silent(self) -> None:
        limit = trio.current_time() - self._patience
        while (client := next(iter(self._polling.values()), None)) is not None and client.seen < limit:
            self.remove(client)

    def _count(self, before: frozenset[str], after: frozenset[str]) -> None:
        self.subscribers.update(after - before)
        for channel in before - after:
            self.subscribers[channel] -= 1
            if not self.subscribers[channel]:
                del self.subscribers[channel]


def _size(channels: frozenset[str]) -> int:
    """Return the memory that the names take, in bytes."""
    return sum(map(sys.getsizeof, channels)) + _SLOT * len(channels)
