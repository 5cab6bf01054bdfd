"""A link and somebody who listens to it, for the tests of the link."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phaseline_tui.address import ServerAddress
from phaseline_tui.connection import Batch, LinkState, LinkStatus, Pace
from phaseline_tui.frames import Frame
from phaseline_tui.link import Link

QUICK = Pace(batch=0.01, open=5.0, quiet=30.0, stale=60.0, dead=120.0, first_retry=0.02, last_retry=0.05)
NEVER_AGAIN = Pace(batch=0.01, first_retry=3600.0, last_retry=3600.0)


class Heard:
    """Keeps what a link delivers, and waits for what a test expects."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._news = threading.Condition()

    def deliver(self, batch: Batch) -> None:
        with self._news:
            self.batches.append(batch)
            self._news.notify_all()

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
        with self._news:
            assert self._news.wait_for(condition, 10), (self.statuses, self.frames[-3:])

    def wait_state(self, state: LinkState) -> LinkStatus:
        """Wait until the newest status has this state, and return it."""
        self.wait(lambda: bool(self.statuses) and self.statuses[-1].state is state)
        return self.statuses[-1]


@contextmanager
def following(url: str, pace: Pace = QUICK) -> Iterator[tuple[Link, Heard]]:
    heard = Heard()
    link = Link(ServerAddress.parse(url), heard.deliver, pace)
    link.start()
    try:
        yield link, heard
    finally:
        link.stop()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("link to")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def progress(number: int, stage: str = "importing", job_id: str = "job_1") -> dict[str, object]:
    return {"type": "job_progress", "job_id": job_id, "stage": stage, "progress": number % 100, "seq": 100 + number}
