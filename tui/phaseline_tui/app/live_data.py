"""The received data of all servers (jobs, events and connections) and the moment at which it is drawn.

Independent of Textual: the app applies batches to it and passes the changes to the views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from phaseline_tui.drawing.hosts import summary_of_all, worst
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.address import ServerAddress, labels
from phaseline_tui.model.backlog import Backlog
from phaseline_tui.model.boxes import Box
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.clock import Clock
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.event_log import EventLog
from phaseline_tui.model.frames import SNAPSHOTS
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.state import ViewState

__all__ = ["LiveData"]


class LiveData:
    """The data that the links have received. While the screen is paused, new frames are kept for later."""

    def __init__(self, servers: Sequence[ServerAddress], clock: Clock, *, fold_after: float) -> None:
        """Start without data. For `fold_after` see `ViewState`."""
        self.labels = tuple(labels(servers))
        """Labels of the servers, in their order."""
        self.hosts = {label: HostView(label, server) for label, server in zip(self.labels, servers, strict=True)}
        """Connections by label."""
        self.state = ViewState(fold_after=fold_after)
        self.events = EventLog()
        self.totals = self.state.totals(0.0)
        """Totals of all jobs, as of the last `advance`."""
        self.boxes: tuple[Box, ...] = ()
        """When each host and queue is free, as the servers answered last."""
        self.history_filter = ""
        """The filter of the history view."""
        self.shades = True
        """Whether fills differ in color; otherwise they differ in character."""
        self._clock = clock
        self._backlog: Backlog | None = None
        self._paused_at: Scene | None = None
        self._frozen_at: dict[str, float] = {}
        """When each lost connection was lost. Its jobs are drawn as of that moment."""
        self._synced_at: dict[str, float] = {}
        """When each server sent its last snapshot."""

    @property
    def status(self) -> LinkStatus:
        """The most severe status of all connections."""
        return worst(list(self.hosts.values()))

    @property
    def servers_summary(self) -> str:
        """The header's name for the servers."""
        return summary_of_all(list(self.hosts.values()))

    @property
    def servers_name(self) -> str:
        """A shorter name for the servers."""
        return summary_of_all(list(self.hosts.values()), brief=True)

    @property
    def statuses(self) -> Mapping[str, LinkStatus]:
        """Statuses of the connections by label."""
        return {label: host.status for label, host in self.hosts.items()}

    @property
    def paused(self) -> int | None:
        """Number of messages received since the screen was paused; None if it is not paused."""
        return None if self._backlog is None else self._backlog.count

    def apply(self, batches: Sequence[Batch]) -> Changes:
        """Apply batches and return the changes. While paused, apply only the connections' statuses."""
        changes = Changes()
        for batch in batches:
            now = batch
            if self._backlog is not None:
                self._backlog.add(replace(batch, origin=batch.origin or self.labels[0]))
                now = replace(batch, frames=())
            changes.add(self._apply(now))
        return changes

    def _apply(self, batch: Batch) -> Changes:
        origin = batch.origin or self.labels[0]
        host = self.hosts[origin]
        if batch.status is not None and batch.status.state is LinkState.MERGED:
            # Its jobs are those of another connection.
            del self.hosts[origin]
            self.labels = tuple(self.hosts)
            changes = Changes()
            changes.status = True
            return changes
        was_connected = host.status.state is LinkState.CONNECTED
        host.apply(batch)
        if not SNAPSHOTS.isdisjoint(map(type, batch.frames)):
            self._synced_at[origin] = batch.received
            self.events.convert()  # before the snapshot removes jobs, whose names the events need
        changes = self.state.apply(batch.frames, batch.received, origin)
        self.state.ignored += batch.ignored
        live = self.live_scene()
        self.events.add(batch.frames, origin, live.wall - (live.now - batch.received), self._name_of)
        if batch.status is not None:
            changes.status = True
            if batch.status.state is LinkState.CONNECTED:
                self._frozen_at.pop(origin, None)
            elif was_connected:
                self._frozen_at[origin] = batch.status.since
        return changes

    def _name_of(self, key: JobKey) -> str:
        job = self.state.jobs.get(key)
        return job.name if job is not None else ""

    def pause(self) -> None:
        """Keep showing the current moment until `resume`."""
        self._backlog, self._paused_at = Backlog(), self.live_scene()

    def resume(self) -> Changes:
        """Apply all batches received since `pause`."""
        backlog, self._backlog, self._paused_at = self._backlog, None, None
        return Changes() if backlog is None else self.apply(backlog.batches())

    def scene(self, origin: str = "") -> Scene:
        """Return the moment to draw the jobs of `origin` at: now, or when its connection was lost."""
        live = self._paused_at or self.live_scene()
        origin = origin or self.labels[0]
        status = self.hosts[origin].shown_status
        # Data that a server sends after its last news is drawn as of the time at which it was sent.
        since = max(status.since, self._synced_at.get(origin, 0.0))
        frozen_at = since if status.distant else self._frozen_at.get(origin)
        if frozen_at is None:
            return live
        now = min(live.now, frozen_at)
        return live._replace(now=now, wall=live.wall - (live.now - now), stale=True)

    def live_scene(self) -> Scene:
        """Return the current moment."""
        clock = self._clock
        return Scene(clock.monotonic(), clock.wall(), clock.local, shades=self.shades)

    def advance(self) -> bool:
        """Update everything that depends on the time, unless paused; return whether the list changed."""
        if self._backlog is not None:
            return False
        live = self.live_scene()
        try:
            midnight = live.local(live.wall).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        except (ValueError, OverflowError, OSError):
            midnight = 0.0
        changed = self.state.advance(live.now, live.wall)
        self.totals = self.state.totals(midnight)
        return changed
