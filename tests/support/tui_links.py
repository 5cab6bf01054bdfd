"""Links and a recorder of what they deliver, for the tests of the link."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from phaseline_tui.link import Links
from phaseline_tui.link.follower import Follower
from phaseline_tui.link.streams import Dialer
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus, Timing
from phaseline_tui.model.frames import Frame

# Short retries, so that tests are fast; long time-outs, so that they pass on a slow machine.
NEVER_AGAIN = Timing(
    batch=0.01, open=60.0, first_message=60.0, ping=30.0, stale=60.0, dead=120.0,
    first_retry=3600.0, last_retry=3600.0, closing=30.0,
)  # fmt: skip
QUICK = replace(NEVER_AGAIN, first_retry=0.02, last_retry=0.05)


class Recorder:
    """Records the batches that links deliver, and waits for conditions on them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.ticks = 0
        self._changed = threading.Condition()

    def deliver(self, batches: tuple[Batch, ...]) -> None:
        with self._changed:
            self.ticks += 1
            self.batches.extend(batches)
            self._changed.notify_all()

    @property
    def frames(self) -> list[Frame]:
        return [frame for batch in self.batches for frame in batch.frames]

    @property
    def statuses(self) -> list[LinkStatus]:
        return [batch.status for batch in self.batches if batch.status is not None]

    @property
    def ignored(self) -> int:
        return sum(batch.ignored for batch in self.batches)

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 60), (self.statuses, self.frames[-3:])

    def wait_while(self, act: Callable[[], object], condition: Callable[[], bool]) -> None:
        """Call `act` repeatedly until the condition holds."""
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, (self.statuses, self.frames[-3:])
            act()

    def statuses_of(self, origin: str) -> list[LinkStatus]:
        return [each.status for each in self.batches if each.status is not None and origin in {"", each.origin}]

    def wait_state(self, state: LinkState, origin: str = "") -> LinkStatus:
        """Wait until the newest status, or that of `origin`, has this state, and return it."""
        self.wait(lambda: bool(found := self.statuses_of(origin)) and found[-1].state is state)
        return self.statuses_of(origin)[-1]


@contextmanager
def following(*urls: str, timing: Timing = QUICK, access: Access | None = None) -> Iterator[tuple[Links, Recorder]]:
    recorder = Recorder()
    links = Links([ServerAddress.parse(url) for url in urls], recorder.deliver, timing, access)
    links.start()
    try:
        yield links, recorder
    finally:
        links.stop()
        assert not [thread for thread in threading.enumerate() if thread.name == "links"]


def lone_follower(url: str, timing: Timing, on_status: Callable[[LinkStatus], object]) -> Follower:
    """Return a follower without links, which calls `on_status` for each status, however short."""

    def wake(*, urgent: bool = False) -> None:
        status, follower.buffer.status = follower.buffer.status, None
        if urgent and status is not None:
            on_status(status)

    follower = Follower(ServerAddress.parse(url), "", Dialer(timing, Access()), wake)
    return follower


def progress(number: int, stage: str = "importing", job_id: str = "job_1") -> dict[str, object]:
    return {"type": "job_progress", "job_id": job_id, "stage": stage, "progress": number % 100, "seq": 100 + number}
