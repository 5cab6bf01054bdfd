"""All connections: one thread, one nursery, a task for each; what came is handed over ten times a second at most.

Only what comes once in a connection waits for no beat: how the connection is, and the jobs that there are.
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
from phaseline_tui.model.address import ServerAddress, labels
from phaseline_tui.model.connection import Access, Batch, Pace, Reply
from phaseline_tui.model.failures import Ended

__all__ = ["Links"]

_STOPPED: Final = "the connections are being closed"


class Links:
    """Follows servers from `start` to `stop`. None of them affects another."""

    def __init__(
        self,
        servers: Sequence[ServerAddress],
        deliver: Callable[[tuple[Batch, ...]], object],
        pace: Pace | None = None,
        access: Access | None = None,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            servers: where to connect to; what each batch calls them is told by `labels`.
            deliver: is called in the links' thread with what came in each beat, a batch for each connection that
                has something to tell; must neither block nor raise.
            pace: the times to keep.
            access: tokens and certificates.
        """
        self._deliver = deliver
        self._pace = pace or Pace()
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._stopping = False
        # The rest belongs to the Trio thread.
        dialer = Dialer(self._pace, access or Access())
        names = labels(servers)
        self._followers = {
            label: Follower(server, label, dialer, self._wake) for label, server in zip(names, servers, strict=True)
        }
        self._whole = trio.CancelScope()
        self._pending = trio.Event()
        self._urgent = trio.Event()
        self._requests: trio.Nursery | None = None
        self._waiting: set[Future[Reply]] = set()

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def retry_now(self, origin: str | None = None) -> None:
        """Try again at once where not connected, or where the connection is stale. Safe from any thread.

        Args:
            origin: the label of the only connection that is meant.
        """
        for label, follower in self._followers.items():
            if origin in {None, label}:
                self._in_trio(follower.retry)

    def request(self, origin: str, method: str, path: str) -> Future[Reply]:
        """Send an HTTP request over the way to the server called `origin`. Safe from any thread.

        Args:
            origin: the label of the connection.
            method: `GET` or `DELETE`.
            path: with its query.

        Returns:
            The answer to come; or `Ended`, which says in words why there is none.
        """
        future: Future[Reply] = Future()
        if not self._in_trio(lambda: self._begin_request(future, origin, method, path)):
            future.set_exception(Ended(_STOPPED))
        return future

    def stop(self) -> None:
        """End all connections and the thread; returns when they are gone. Safe to call twice, and before `start`."""
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

    # From here on: the Trio thread.

    def _wake(self, *, urgent: bool = False) -> None:
        self._pending.set()
        if urgent:
            self._urgent.set()

    def _end(self) -> None:
        self._stopping = True
        self._whole.deadline = trio.current_time() + 2 * self._pace.goodbye
        for follower in self._followers.values():
            follower.end()

    def _run(self) -> None:
        trio.run(self._main)
        for future in self._waiting:
            with contextlib.suppress(InvalidStateError):  # whoever asked may have stopped waiting
                future.set_exception(Ended(_STOPPED))

    async def _main(self) -> None:
        with self._whole:
            async with trio.open_nursery() as helpers:
                helpers.start_soon(self._flush_regularly)
                self._requests = helpers
                self._token = trio.lowlevel.current_trio_token()
                # `stop` sets the flag and then looks for the token; here it is the other way round: one sees the other.
                if not self._stopping:
                    async with trio.open_nursery() as nursery:
                        for follower in self._followers.values():
                            nursery.start_soon(follower.follow)
                helpers.cancel_scope.cancel()

    async def _flush_regularly(self) -> None:
        while True:
            await self._pending.wait()
            self._pending, self._urgent = trio.Event(), trio.Event()
            batches = tuple(batch for each in self._followers.values() if (batch := each.beat.take()) is not None)
            if batches:
                self._deliver(batches)
            with trio.move_on_after(self._pace.batch):
                await self._urgent.wait()

    def _begin_request(self, future: "Future[Reply]", origin: str, method: str, path: str) -> None:
        self._waiting.add(future)
        if self._requests is not None and not self._stopping:
            self._requests.start_soon(self._request, future, self._followers[origin], method, path)

    async def _request(self, future: "Future[Reply]", follower: Follower, method: str, path: str) -> None:
        try:
            reply = await follower.request(method, path)
        except Ended as ended:
            self._waiting.discard(future)
            future.set_exception(ended)
        except Exception as error:  # noqa: BLE001  one request that went wrong ends no connection
            self._waiting.discard(future)
            future.set_exception(failures.broken_http(follower.server, error))
        else:
            self._waiting.discard(future)
            future.set_result(reply)
