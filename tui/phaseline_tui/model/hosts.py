"""The connections as the screen knows them: how each is, how quick, when it was last heard, how much it brings.

Pure: no clock, no socket, no widget. Times are readings of the monotonic clock in seconds.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus

__all__ = ["HostView"]

_KEPT_DELAYS: Final = 64
_LATEST: Final = 9
_RATE_S: Final = 10.0


@dataclass(slots=True)
class HostView:
    """One connection."""

    label: str
    server: ServerAddress
    status: LinkStatus = field(default_factory=lambda: LinkStatus(LinkState.CONNECTING))
    heard: float | None = None
    """When the server was last heard; None if never."""
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_DELAYS))
    """Seconds from ping to pong, the latest last."""
    connections: int = 0
    """How often a connection came about."""
    messages: int = 0
    size: int = 0
    """Bytes of all messages so far."""
    _arrivals: deque[tuple[float, int, int]] = field(default_factory=deque)

    def take(self, batch: Batch) -> None:
        """Take in what came over this connection."""
        if batch.status is not None:
            new = batch.status.state is LinkState.CONNECTED and self.status.state is not LinkState.STALE
            self.connections += new and self.status.state is not LinkState.CONNECTED
            self.status = batch.status
        if batch.messages:
            self.heard = batch.received
            self.messages += batch.messages
            self.size += batch.size
            self._arrivals.append((batch.received, batch.messages, batch.size))
            self._forget(batch.received)
        if batch.delay is not None:
            self.delays.append(batch.delay)

    @property
    def delay(self) -> float | None:
        """The latest delay; None while there is no connection, or none was measured."""
        up = self.status.state in {LinkState.CONNECTED, LinkState.STALE}
        return self.delays[-1] if up and self.delays else None

    @property
    def usual_delay(self) -> float | None:
        """The middle one of the latest delays; None while there is none."""
        latest = sorted(list(self.delays)[-_LATEST:])
        return None if self.delay is None else latest[len(latest) // 2]

    def silence(self, now: float) -> float | None:
        """Return for how long the server was not heard; None if it never was."""
        return None if self.heard is None else max(0.0, now - self.heard)

    def rates(self, now: float) -> tuple[float, float]:
        """Return messages and bytes per second of late."""
        self._forget(now)
        messages = sum(count for _, count, _ in self._arrivals)
        return messages / _RATE_S, sum(size for _, _, size in self._arrivals) / _RATE_S

    def _forget(self, now: float) -> None:
        while self._arrivals and self._arrivals[0][0] < now - _RATE_S:
            self._arrivals.popleft()
