"""Delivery: one Trio run in the background thread, which takes reports from the inbox and sends them to the server.

Only that thread imports this module, because nothing else in a worker needs Trio.
"""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
import trio_websocket

from phaseline.client.address import Address
from phaseline.client.failures import blocks_websockets, is_final, reason_of
from phaseline.client.notes import warn
from phaseline.reporting.delivery.connection import Exchange
from phaseline.reporting.delivery.dialing import Dialing
from phaseline.reporting.delivery.inbox import Inbox, Waiter
from phaseline.reporting.delivery.load import LoadMeter
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.delivery.worker import Worker
from phaseline.reporting.record import Record
from phaseline.text import one_line

__all__ = ["Delivery"]

# Interval between two reads of the inbox while reports arrive.
_PACE_S: Final = 0.02
# Intervals between two samples of the jobs' progress, for the server and for the spool's file.
_PROGRESS_S: Final = 0.1
_PROGRESS_TO_DISK_S: Final = 1.0
_BACKOFF_S: Final = (0.1, 10.0)
_HURRIED_S: Final = 0.25
_UNWELCOME_S: Final = 60.0
_HANDSHAKE_S: Final = 5.0
_GOODBYE: Final = 1000
# This close code shows the server that the unfinished jobs will not continue.
_PROCESS_ENDS: Final = 1001
_PROXY: Final = (
    "the proxy at %s blocks WebSockets; reports are sent by HTTP, which is slower; let the proxy pass the headers "
    "Upgrade and Connection, or set PROGRESS_URL to the server's own address"
)


class Delivery:
    """The Trio tasks of the background thread. Call the methods in that thread only."""

    def __init__(
        self,
        addresses: Sequence[Address],
        inbox: Inbox,
        own: Outbox,
        directory: Path | None,
        worker: Worker,
        host: str = "",
    ) -> None:
        """Deliver from `inbox` to one of `addresses`; send the load of the machine `host`, unless that is empty."""
        self._meter = LoadMeter(host) if host else None
        self._inbox = inbox
        self._own = own
        self._directory = directory
        self._worker = worker
        self._adopted: list[Outbox] = []
        self._waiters: list[Waiter] = []
        self._exchange: Exchange | None = None
        self._dialing = Dialing(addresses)
        self._warned_of_proxy = False
        self._reached = False  # a server was reached at any time
        self._useful = False  # the server answered on this connection
        self._warned = False  # the warning about a missing connection is logged
        self._more = trio.Event()
        self._hurry = trio.Event()
        self._stopping = self._process_ends = False
        self._scope = trio.CancelScope()
        self._talk = trio.CancelScope()
        self._dropped = 0

    async def run(self) -> None:
        """Read reports and deliver them until `stop`."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._take)
                nursery.start_soon(self._connect)
        self._add(self._inbox.take(progress=True))
        for box in self.all():
            box.close()
        for waiter in self._waiters:
            waiter.end(delivered=False)

    def rouse(self) -> None:
        """Signal that the inbox is not empty."""
        self._more.set()

    def hurry(self) -> None:
        """Signal that a caller waits for delivery."""
        self._more.set()
        self._hurry.set()

    def leave(self) -> None:
        """Stop because the process ends; the close code shows the server whether jobs are unfinished."""
        self._process_ends = True
        self.stop()

    def stop(self) -> None:
        """Stop; close the connection first, if there is one."""
        self._stopping = True
        if self._exchange is None:
            self._scope.cancel()
        self._talk.cancel()

    def fds(self) -> list[int]:
        """Return the files and sockets that a forked child must close."""
        sockets = [self._dialing.socket.socket.fileno()] if self._dialing.socket else []
        return [fd for fd in (*sockets, *(box.fd for box in self.all())) if fd >= 0]

    # ------------------------------------------------------------------ from the inbox

    async def _take(self) -> None:
        due = -math.inf
        while True:
            progress = self._wants_progress() and trio.current_time() >= due
            items = self._inbox.take(progress=progress)
            if progress:
                due = trio.current_time() + (_PROGRESS_S if self._exchange else _PROGRESS_TO_DISK_S)
            if items:
                self._add(items)
                if not self._waiters:
                    with trio.move_on_after(_PACE_S):
                        await self._hurry.wait()
            # No other task of this thread runs from here to the next await.
            self._more = trio.Event()
            wanted = self._wants_progress()
            moving = wanted and self._inbox.moving
            if self._inbox.sleep(timed=moving or not wanted):
                with trio.move_on_at(due if moving else math.inf):
                    await self._more.wait()

    def _wants_progress(self) -> bool:
        return self._exchange is not None or self._directory is not None

    def _add(self, items: list[Record | Waiter]) -> None:
        records: list[Record] = []
        for item in items:
            if isinstance(item, Record):
                records.append(item)
                continue
            self._own.add(records)
            records = []
            item.order = self._own.spool.order
            self._waiters.append(item)
            self._hurry.set()
        self._own.add(records)
        dropped = self._own.spool.dropped + self._inbox.dropped
        if dropped != self._dropped:
            self._dropped = dropped
            self._worker.dropped(dropped)
        self._end_waiters()
        if self._exchange:
            self._exchange.notify()

    def _end_waiters(self) -> None:
        for waiter in self._waiters:
            if self._own.spool.delivered(waiter.order):
                waiter.end(delivered=True)
        self._forget_waiters()

    def _forget_waiters(self) -> None:
        self._waiters = [waiter for waiter in self._waiters if not (waiter.over or waiter.gone)]
        if not self._waiters and self._hurry.is_set():
            self._hurry = trio.Event()

    # ------------------------------------------------------------------ outboxes

    def all(self) -> list[Outbox]:
        """Return all outboxes; those of dead processes are first, because they are older."""
        return [*self._adopted, self._own]

    def next(self) -> Outbox:
        """Return the outbox to send from next."""
        for box in [box for box in self._adopted if not len(box.spool)]:
            self._adopted.remove(box)
            box.close()
        return next((box for box in self._adopted if box.is_due(trio.current_time())), self._own)

    def ordered(self, job_id: str, order_id: str, order: str, reason: str) -> None:
        """Let the worker carry out a user's order."""
        self._worker.ordered(job_id, order_id, order, reason)

    def answered(self, refusal: tuple[Record, str, str] | None) -> None:
        """Record an answer from the server; report a rejection to the worker."""
        self._useful, self._warned = True, False
        if refusal:
            self._worker.rejected(*refusal)
        if self._waiters:
            self._end_waiters()

    # ------------------------------------------------------------------ the connection

    async def _connect(self) -> None:
        pause, longest = _BACKOFF_S
        # For one round of all servers: the attempts, and whether a server lets this client reconnect soon.
        tries, welcomed = 0, False
        while True:
            self._useful, began = False, trio.current_time()
            reason, welcome = await self._once()
            if self._stopping:
                self._scope.cancel()
                return
            for box in self.all():
                box.rewind()
            lasted = trio.current_time() - began > longest
            if self._useful or lasted:
                pause = _BACKOFF_S[0]
            # A connection that has lasted begins a new round. A short one must not: reconnecting would have no pauses.
            tries, welcomed = 1 if self._useful and lasted else tries + 1, welcomed or welcome
            self._dialing.turn()
            if tries % self._dialing.servers:
                continue  # the next server may answer
            self._give_up()
            if not self._warned:
                self._warned = True
                warn("no connection to %s (%s); reports are stored and delivered later", self._dialing.urls, reason)
            await self._rest(pause * random.uniform(0.5, 1.0) if welcomed else _UNWELCOME_S)  # noqa: S311 - no secret
            welcomed = False
            pause = min(2 * pause, longest)

    async def _rest(self, pause: float) -> None:
        with trio.move_on_after(pause):
            await self._hurry.wait()
            # A caller waits for delivery, so retry soon.
            await trio.sleep(min(pause, _HURRIED_S))

    def _give_up(self) -> None:
        """End impatient waiters if no server was ever reached; a server that restarts is worth the wait."""
        for waiter in self._waiters:
            if waiter.impatient and not self._reached:
                waiter.end(delivered=False)
        self._forget_waiters()

    async def _once(self) -> tuple[str, bool]:
        """Connect and deliver until the connection is lost; return the reason, and whether to reconnect soon."""
        reason, welcome = "closed by the server", True
        by_http = False
        try:
            async with self._dialing.websocket(_HANDSHAKE_S, self._goodbye) as websocket:
                exchange = Exchange(websocket, self, self._meter, alone=self._dialing.servers == 1)
                try:
                    await self._talk_over(exchange)
                except* trio_websocket.ConnectionClosed as closed:
                    reason, welcome = reason_of(closed, self._dialing.address), not is_final(closed)
                    if (refusal := exchange.blame(_first(closed), websocket)) is not None:
                        self.answered(refusal)
        except* msgspec.MsgspecError as group:
            reason = f"not a Phaseline server: {one_line(str(_first(group)))}"
        except* Exception as group:  # noqa: BLE001 - any error only ends this attempt to connect
            reason, welcome = reason_of(group, self._dialing.address), not is_final(group)
            by_http = blocks_websockets(group)
        finally:
            self._exchange = None
        if by_http and not self._stopping:
            reason = await self._once_by_http() or reason
        return reason, welcome

    async def _once_by_http(self) -> str | None:
        """Deliver by HTTP until the connection is lost; return the reason, or None if no server answered."""
        answered = False
        reason = "closed by the server"
        try:
            async with self._dialing.http(_HANDSHAKE_S) as channel:
                answered = True
                if not self._warned_of_proxy:
                    self._warned_of_proxy = True
                    warn(_PROXY, self._dialing.address.authority)
                await self._talk_over(Exchange(channel, self, self._meter, alone=self._dialing.servers == 1))
        except* Exception as group:  # noqa: BLE001 - as above
            reason = reason_of(group, self._dialing.address)
        finally:
            self._exchange = None
        return reason if answered else None

    def _goodbye(self) -> int:
        """Return the close code that shows the server whether jobs of this process are unfinished."""
        return _PROCESS_ENDS if self._process_ends and len(self._own.spool.known) else _GOODBYE

    async def _talk_over(self, exchange: Exchange) -> None:
        with trio.CancelScope() as self._talk:
            with trio.fail_after(_HANDSHAKE_S):
                epoch = await exchange.greet(self._own.spool.producer)
            self._reached = True
            if self._directory:
                self._adopted += Outbox.adopted(self._directory, self._own.spool.size)
            for box in self.all():
                box.meet(epoch)
            self._exchange = exchange
            self._more.set()  # the jobs' latest progress can be sent now
            await exchange.run()


def _first(group: BaseExceptionGroup[Any]) -> Any:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
