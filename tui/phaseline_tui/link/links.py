"""All connections: one thread, one nursery, one task per server.

Received frames are delivered in batches, at most ten times a second. A change of a connection's status and its first
snapshot are delivered at once.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Final

import trio

from phaseline_tui.link.follower import Follower
from phaseline_tui.link.streams import Dialer
from phaseline_tui.model import failures
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress, labels
from phaseline_tui.model.connection import Batch, Reply, Timing
from phaseline_tui.model.failures import LinkError

__all__ = ["Links"]

_STOPPED: Final = "the connections are being closed"


class Links:
    """Follows servers from `start` to `stop`, each independently of the others."""

    def __init__(
        self,
        servers: Sequence[ServerAddress],
        deliver: Callable[[tuple[Batch, ...]], object],
        timing: Timing | None = None,
        access: Access | None = None,
        *,
        waits: bool = False,
    ) -> None:
        """Prepare the connections; `start` opens them.

        Args:
            servers: Servers to connect to. Batches name them by their `labels`.
            deliver: Called in the links' thread with the batches of each tick, at most one per connection; must
                neither block nor raise.
            timing: Time-outs and intervals.
            access: Tokens and certificates.
            waits: Whether to deliver batches only after `applied` was called for those before. Servers then send no
                faster than the screen can show.
        """
        self._deliver = deliver
        self._timing = timing or Timing()
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._stopping = False
        # Only the Trio thread uses the attributes below.
        dialer = Dialer(self._timing, access or Access())
        names = labels(servers)
        logs: dict[str, Follower] = {}
        self._followers = {
            label: Follower(server, label, dialer, self._wake, logs)
            for label, server in zip(names, servers, strict=True)
        }
        self._scope = trio.CancelScope()
        self._pending = trio.Event()
        self._urgent = trio.Event()
        self._waits = waits
        self._applied = trio.Event()
        self._requests: trio.Nursery | None = None
        self._unanswered: set[Future[Reply]] = set()

    def start(self) -> None:
        """Start the thread and connect."""
        self._thread.start()

    def retry_now(self, origin: str | None = None) -> None:
        """Reconnect at once wherever the connection is lost or stale. Safe to call from any thread.

        Args:
            origin: Label of a connection to limit this to.
        """
        for label, follower in self._followers.items():
            if origin in {None, label}:
                self._in_trio(follower.retry)

    def applied(self) -> None:
        """Report that the batches delivered last were applied. Safe to call from any thread."""
        self._in_trio(self._continue)

    def request(self, origin: str, method: str, path: str, body: bytes = b"") -> Future[Reply]:
        """Send an HTTP request to the server labeled `origin`. Safe to call from any thread.

        Args:
            origin: Label of the connection.
            method: `GET`, `POST` or `DELETE`.
            path: Path with its query.
            body: JSON to send, or empty.

        Returns:
            A future of the response; it raises `LinkError` if there is none.
        """
        future: Future[Reply] = Future()
        if not self._in_trio(lambda: self._begin_request(future, origin, method, path, body)):
            future.set_exception(LinkError(_STOPPED))
        return future

    def stop(self) -> None:
        """Close all connections and wait for the thread to end. Safe to call twice, and before `start`."""
        self._stopping = True
        self._in_trio(self._end)
        if self._thread.ident is not None:
            self._thread.join()

    def _in_trio(self, call: Callable[[], object]) -> bool:
        token = self._token
        if token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(call)
                return True
        return False

    # The methods below run in the Trio thread.

    def _wake(self, *, urgent: bool = False) -> None:
        self._pending.set()
        if urgent:
            self._urgent.set()

    def _continue(self) -> None:
        self._applied.set()

    def _end(self) -> None:
        self._stopping = True
        self._scope.deadline = trio.current_time() + 2 * self._timing.closing
        for follower in self._followers.values():
            follower.end()

    def _run(self) -> None:
        trio.run(self._main)
        for future in self._unanswered:
            with contextlib.suppress(InvalidStateError):  # cancelled by its caller
                future.set_exception(LinkError(_STOPPED))

    async def _main(self) -> None:
        with self._scope:
            async with trio.open_nursery() as background:
                background.start_soon(self._flush_periodically)
                self._requests = background
                self._token = trio.lowlevel.current_trio_token()
                # `stop` sets the flag, then reads the token. The order here is the reverse, so one side sees the other.
                if not self._stopping:
                    async with trio.open_nursery() as nursery:
                        for follower in self._followers.values():
                            nursery.start_soon(follower.follow)
                background.cancel_scope.cancel()

    async def _flush_periodically(self) -> None:
        while True:
            await self._pending.wait()
            self._pending, self._urgent = trio.Event(), trio.Event()
            batches = tuple(batch for each in self._followers.values() if (batch := each.buffer.take()) is not None)
            if batches:
                self._applied = trio.Event()
                self._deliver(batches)
                if self._waits:
                    await self._applied.wait()
            with trio.move_on_after(self._timing.batch):
                await self._urgent.wait()

    def _begin_request(self, future: "Future[Reply]", origin: str, method: str, path: str, body: bytes) -> None:
        if not future.set_running_or_notify_cancel():  # from here on, its caller can't cancel it
            return
        self._unanswered.add(future)
        if self._requests is not None and not self._stopping:
            self._requests.start_soon(self._request, future, self._followers[origin], method, path, body)

    async def _request(self, future: "Future[Reply]", follower: Follower, method: str, path: str, body: bytes) -> None:
        try:
            reply = await follower.request(method, path, body)
        except LinkError as error:
            self._unanswered.discard(future)
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 (a failed request must not end the connections)
            self._unanswered.discard(future)
            future.set_exception(failures.broken_http(follower.server, error))
        else:
            self._unanswered.discard(future)
            future.set_result(reply)
