"""The connections: their status, delays, last data and traffic.

Pure: no clock, no socket, no widget. Times are readings of the monotonic clock in seconds.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.servers import Group

__all__ = ["HostView"]

_KEPT_DELAYS: Final = 64
_LATEST: Final = 9
_RATE_S: Final = 10.0


@dataclass(slots=True)
class HostView:
    """A connection to a server."""

    label: str
    server: ServerAddress
    status: LinkStatus = field(default_factory=lambda: LinkStatus(LinkState.CONNECTING))
    last_received: float | None = None
    """Time of the last data; None if there was none."""
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_DELAYS))
    """Seconds from ping to pong, latest last."""
    connections: int = 0
    """Number of connections opened so far."""
    messages: int = 0
    size: int = 0
    """Bytes of all messages received so far."""
    listed: Group | None = None
    """The servers that share its log, as it listed them last."""
    _arrivals: deque[tuple[float, int, int]] = field(default_factory=deque)

    def apply(self, batch: Batch) -> None:
        """Apply a batch of this connection."""
        if batch.status is not None:
            new = batch.status.state is LinkState.CONNECTED and self.status.state is not LinkState.STALE
            self.connections += new and self.status.state is not LinkState.CONNECTED
            self.status = batch.status
        if batch.messages:
            self.last_received = batch.received
            self.messages += batch.messages
            self.size += batch.size
            self._arrivals.append((batch.received, batch.messages, batch.size))
            self._drop_old(batch.received)
        if batch.delay is not None:
            self.delays.append(batch.delay)

    @property
    def group(self) -> Group | None:
        """The servers that share its log; None if they are unknown or there is only one."""
        up = self.status.state in {LinkState.CONNECTED, LinkState.STALE}
        return self.listed if up and self.listed is not None and self.listed.is_shared else None

    @property
    def shown_status(self) -> LinkStatus:
        """The status of the connection, or stale if its server has no news itself."""
        group = self.listed
        if self.status.state is not LinkState.CONNECTED or group is None or group.stale_since is None:
            return self.status
        return LinkStatus(
            LinkState.STALE, f"no news from {group.leader or 'the leader'}", group.stale_since, distant=True
        )

    @property
    def delay(self) -> float | None:
        """The latest delay; None without a connection or a measurement."""
        up = self.status.state in {LinkState.CONNECTED, LinkState.STALE}
        return self.delays[-1] if up and self.delays else None

    @property
    def usual_delay(self) -> float | None:
        """The median of the latest delays; None without a connection or a measurement."""
        latest = sorted(list(self.delays)[-_LATEST:])
        return None if self.delay is None else latest[len(latest) // 2]

    def silence(self, now: float) -> float | None:
        """Return the seconds since the last data; None if there was none."""
        return None if self.last_received is None else max(0.0, now - self.last_received)

    def rates(self, now: float) -> tuple[float, float]:
        """Return messages and bytes per second over the last 10 s."""
        self._drop_old(now)
        messages = sum(count for _, count, _ in self._arrivals)
        return messages / _RATE_S, sum(size for _, _, size in self._arrivals) / _RATE_S

    def _drop_old(self, now: float) -> None:
        while self._arrivals and self._arrivals[0][0] < now - _RATE_S:
            self._arrivals.popleft()
