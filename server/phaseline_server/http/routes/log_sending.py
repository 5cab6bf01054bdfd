"""Sending the log to a mirror, over its WebSocket."""

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final

import structlog
import trio

from phaseline.errors import TooMany, Unrecoverable
from phaseline.stream import Position
from phaseline.wire import Follow
from phaseline.wire.replication import LogFrame, encode_log_frame
from phaseline_server.access.views import JobsView
from phaseline_server.errors import LogUnavailable
from phaseline_server.fanout.direct import DirectSubscriber
from phaseline_server.jobs.replica import Replica

__all__ = ["LogSending"]

_log: Final = structlog.get_logger()
_LOOK_S: Final = 0.1
"""Time between looks for new messages; those of this time share the records of their jobs."""
_IDLE_S: Final = 1.0
_ESTIMATES_EVERY: Final = 5  # signs of life


class LogSending:
    """Sends the log to a client that is a mirror."""

    def __init__(
        self,
        tracker: JobsView,
        subscriber: DirectSubscriber,
        spawn: Callable[[Any], None],
        send: Callable[[list[bytes]], None],
    ) -> None:
        """Queue frames with `send` for the client of `subscriber`; `spawn` starts tasks that end with it."""
        self._tracker = tracker
        self._subscriber = subscriber
        self._spawn = spawn
        self._send = send
        self._begun = False

    def begin(self, wanted: Follow) -> None:
        """Send the log after a position, or all of it, and then what is added, until the client disconnects.

        Raises:
            TooMany: The client receives the log already.
            Forbidden: The client may not read all jobs.
            ReadOnlyMirror: This server is a mirror itself.
        """
        if self._begun:
            raise TooMany("this connection receives the log already; allowed: one `follow` per connection")
        replica = self._tracker.replica()
        self._begun = True
        self._spawn(partial(self._run, replica, wanted.since))

    async def _run(self, replica: Replica, since: Position | None) -> None:
        position, known = since, False
        while True:
            try:
                if not known and position is not None and not await replica.can_resume(position):
                    position = None
                known = True
                if position is None:
                    start = replica.start()
                    await self._put(start)
                    async with aclosing(replica.jobs()) as parts:
                        async for jobs in parts:
                            await self._put(jobs)
                    position = Position(start.epoch, start.seq)
                position = await self._send_after(replica, position)
            except Unrecoverable:
                position = None  # the client reads more slowly than the log discards messages
            except LogUnavailable as error:
                _log.debug("can't send the log to a mirror", error=str(error))
                await trio.sleep(_IDLE_S)

    async def _send_after(self, replica: Replica, position: Position) -> Position:
        """Send all messages after `position`, then signs of life until there are more; return the position reached."""
        while position != replica.top:
            update = await replica.update(position)
            await self._put(update)
            position = Position(position.epoch, update.messages[-1].seq)
            await trio.sleep(_LOOK_S if position.seq == update.top else 0)
        signs, next_at = 0, trio.current_time()
        while position == replica.top:
            if trio.current_time() >= next_at:
                await self._put(replica.sign_of_life(estimates=signs % _ESTIMATES_EVERY == 0))
                signs, next_at = signs + 1, trio.current_time() + _IDLE_S
            await trio.sleep(_LOOK_S)
        return position

    async def _put(self, frame: LogFrame) -> None:
        self._send([encode_log_frame(frame)])
        await self._subscriber.wait_free()
