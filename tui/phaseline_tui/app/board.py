"""All that is known, and the moment at which it is shown: jobs, events and connections of every server.

No Textual: the app asks what is here, and tells the views what changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from phaseline_tui.drawing.hosts import all_in_short, worst
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.address import ServerAddress, labels
from phaseline_tui.model.backlog import Backlog
from phaseline_tui.model.clock import Clock
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.events import EventLog
from phaseline_tui.model.frames import Snapshot
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.state import Changes, ViewState

__all__ = ["Board"]


class Board:
    """What the links told so far. While it is held still, what comes is kept for later."""

    def __init__(self, servers: Sequence[ServerAddress], clock: Clock, *, fold_after: float) -> None:
        """Begin with nothing known of `servers`; for `fold_after` see `ViewState`."""
        self.labels = tuple(labels(servers))
        """What each server is called, in the same order."""
        self.hosts = {label: HostView(label, server) for label, server in zip(self.labels, servers, strict=True)}
        """What is known of each connection, by its label."""
        self.state = ViewState(fold_after=fold_after)
        self.events = EventLog()
        self.totals = self.state.totals(0.0)
        """All jobs together, as of the last `advance`."""
        self.shades = True
        """Whether the terminal shows fills by their shades."""
        self._clock = clock
        self._backlog: Backlog | None = None
        self._held_at: Scene | None = None
        self._frozen_at: dict[str, float] = {}
        """When each lost connection was lost: since then, nobody knows how its jobs go on."""

    @property
    def status(self) -> LinkStatus:
        """How the connection is that is worst off."""
        return worst(list(self.hosts.values()))

    @property
    def followed(self) -> str:
        """What the header calls the servers."""
        return all_in_short(list(self.hosts.values()))

    @property
    def statuses(self) -> Mapping[str, LinkStatus]:
        """How each connection is, by its label."""
        return {label: host.status for label, host in self.hosts.items()}

    @property
    def held(self) -> int | None:
        """How many messages came since the screen was held still; None if it isn't."""
        return None if self._backlog is None else self._backlog.count

    def take(self, batches: Sequence[Batch]) -> Changes:
        """Take in batches, and return what they changed; while held still, only how the connections are."""
        changes = Changes()
        for batch in batches:
            now = batch
            if self._backlog is not None:
                self._backlog.add(replace(batch, origin=batch.origin or self.labels[0]))
                now = replace(batch, frames=())
            changes.add(self._take(now))
        return changes

    def _take(self, batch: Batch) -> Changes:
        origin = batch.origin or self.labels[0]
        host = self.hosts[origin]
        was_connected = host.status.state is LinkState.CONNECTED
        host.take(batch)
        if Snapshot in map(type, batch.frames):
            self.events.read()  # Jobs may go now, and their names with them.
        changes = self.state.apply(batch.frames, batch.received, origin)
        self.state.ignored += batch.ignored
        live = self.live_scene()
        self.events.take(batch.frames, origin, live.wall - (live.now - batch.received), self._name_of)
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

    def hold(self) -> None:
        """Show this moment until `release`."""
        self._backlog, self._held_at = Backlog(), self.live_scene()

    def release(self) -> Changes:
        """Take in all that came meanwhile."""
        backlog, self._backlog, self._held_at = self._backlog, None, None
        return Changes() if backlog is None else self.take(backlog.batches())

    def scene(self, origin: str = "") -> Scene:
        """Return the moment to draw the jobs of `origin` at: now, or when it was last heard."""
        live = self._held_at or self.live_scene()
        frozen_at = self._frozen_at.get(origin or self.labels[0])
        if frozen_at is None:
            return live
        now = min(live.now, frozen_at)
        return live._replace(now=now, wall=live.wall - (live.now - now), stale=True)

    def live_scene(self) -> Scene:
        """Return the present moment."""
        clock = self._clock
        return Scene(clock.monotonic(), clock.wall(), clock.local, shades=self.shades)

    def advance(self) -> bool:
        """Let time pass, unless held still; return whether that changed what is listed."""
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
