"""Whether the servers of the plain output lack news from the leader of their log."""

import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple

from phaseline_tui.model.connection import Batch, LinkState, Reply
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.servers import Group, read_group

__all__ = ["Inbox", "Listed"]

_EVERY_S: Final = 5.0
_PATH: Final = "/progress/servers"
_GOOD: Final = 200


class Listed(NamedTuple):
    """The servers that share a log, as listed by the server labeled `origin`."""

    origin: str
    group: Group


class Inbox:
    """Batches of the links, and the answers of connected servers, which are asked at intervals."""

    def __init__(self, first: str, every_s: float = _EVERY_S) -> None:
        """Start empty; `first` is the label of the first server, whose batches may have none."""
        self._first = first
        self._every_s = every_s
        self._due_s = time.monotonic() + every_s
        self._received: queue.SimpleQueue[tuple[Batch, ...] | Listed] = queue.SimpleQueue()
        self._connected: set[str] = set()

    def put(self, item: tuple[Batch, ...] | Listed) -> None:
        """Add an item. Safe to call from any thread."""
        self._received.put(item)

    def get(self, request: Callable[[str, str, str], Future[Reply]]) -> tuple[Batch, ...] | Listed:
        """Return the next item; send questions by `request` meanwhile."""
        while True:
            wait_s = max(0.0, self._due_s - time.monotonic()) if self._connected else None
            try:
                item = self._received.get(timeout=wait_s)
            except queue.Empty:
                self._due_s = time.monotonic() + self._every_s
                for origin in self._connected:
                    request(origin, "GET", _PATH).add_done_callback(partial(self._answered, origin))
                continue
            if isinstance(item, Listed):
                if [server.role for server in item.group.servers] == ["single"]:
                    self._connected.discard(item.origin)  # its log is not shared
            else:
                self._note(item)
            return item

    def _note(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            if batch.status is not None:
                change = self._connected.add if batch.status.state is LinkState.CONNECTED else self._connected.discard
                change(batch.origin or self._first)

    def _answered(self, origin: str, future: Future[Reply]) -> None:
        try:
            reply = future.result()
            if reply.status == _GOOD:
                self.put(Listed(origin, read_group(reply.body, time.monotonic())))
        except (LinkError, ValueError):
            pass  # the link reports a lost connection; an older server has no such list
