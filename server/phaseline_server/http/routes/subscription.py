"""The subscription of a `/ws` client: its channels, the form of its messages, and the missed ones."""

import sys
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Final, Protocol

from phaseline.errors import Unrecoverable
from phaseline.stream import Position
from phaseline.wire import Subscribe, Unsubscribe
from phaseline_server.access.keeper import CURRENT
from phaseline_server.fanout.direct import DirectSubscriber
from phaseline_server.http.clients import Client
from phaseline_server.http.routes.waiting import read_page
from phaseline_server.http.services import Services
from phaseline_server.jobs.states import JobsState

__all__ = ["Subscription"]

_CATCH_UP_BYTES: Final = 262_144  # missed messages that are sent before the next ones are read


class _Reply(Protocol):
    def __call__(self, kind: str, **fields: object) -> None: ...


class Subscription:
    """The subscription of one client, which may change while it is connected."""

    def __init__(
        self,
        services: Services,
        client: Client,
        subscriber: DirectSubscriber,
        spawn: Callable[[Any], None],
        reply: _Reply,
    ) -> None:
        """Subscribe `client` by `subscriber`; `reply` queues an answer to it, `spawn` starts tasks until it leaves."""
        self._services = services
        self._client = client
        self._subscriber = subscriber
        self._spawn = spawn
        self._reply = reply
        self._access = CURRENT.get()
        self._batch = False
        self._paced = False

    def unsubscribe(self, unwanted: Unsubscribe) -> None:
        """Remove channels, and confirm."""
        self._services.clients.subscribe(self._client, self._client.channels - frozenset(unwanted.channels))
        self._subscriber.channels = self._client.channels
        self._reply("unsubscription_confirmed", channels=sorted(self._client.channels))

    async def subscribe(self, wanted: Subscribe) -> None:
        """Add channels, and confirm; then queue the missed messages or the state, followed by the live messages.

        Raises:
            PhaselineError: The client may not read, or these are too many channels; it keeps those it has.
        """
        log = self._services.tracker.log
        self._access.known.check_reads()
        channels = self._client.channels | frozenset(wanted.channels)
        self._services.clients.subscribe(self._client, channels)
        self._form(wanted)
        recovered: bool | None = None
        if wanted.since is not None:
            await log.catch_up(wanted.since)
            recovered = log.can_resume(wanted.since)
        state = await self._state() if recovered is False or (wanted.snapshot and not recovered) else None
        position = state.position if state is not None else wanted.since or log.top
        confirmed: dict[str, object] = {"channels": sorted(channels), "position": position}
        if recovered is not None:
            confirmed["recovered"] = recovered
        self._reply("subscription_confirmed", **confirmed)
        if recovered and not await self._catch_up(position, channels):
            recovered, state = False, await self._state()
        while state is not None:
            self._subscriber.put_frames(state.frames(recovered=recovered, batch=self._batch))
            # Messages were published while the state was encoded.
            caught_up = await self._catch_up(state.position, channels)
            state = None if caught_up else await self._state()
        # There was no await since the last one was sent, so no message is missed or sent twice.
        self._subscriber.channels = channels

    async def _state(self) -> JobsState:
        # Messages from here on are read from the log, after the state.
        self._subscriber.channels = frozenset()
        return await self._services.tracker.state()

    def _form(self, wanted: Subscribe) -> None:
        self._batch, coalesce_s = wanted.batch, wanted.coalesce_ms / 1000
        self._subscriber.form(batch=self._batch, coalesce_s=coalesce_s)
        if coalesce_s and not self._paced:
            self._paced = True
            self._spawn(self._subscriber.run_pace)

    async def _catch_up(self, position: Position, channels: frozenset[str]) -> bool:
        """Queue all messages after `position` as fast as the client reads; return whether all are available."""
        log, answers = self._services.tracker.log, self._services.answers
        # Live messages would arrive before them.
        self._subscriber.channels = frozenset()
        with suppress(Unrecoverable):
            while position != log.top:
                with await answers.hold(_CATCH_UP_BYTES, self._access.known.token, inf) as hold:
                    async with answers.building:
                        page = await read_page(log, position, channels, sys.maxsize, _CATCH_UP_BYTES)
                    hold.resize(page.size)
                    position = page.position
                    self._subscriber.put(*page.messages)
                    await self._subscriber.wait_free()
            return True
        return False
