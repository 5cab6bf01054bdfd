"""A server that mirrors another one: it copies that server's log, and serves it read-only."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
import trio
from quart_trio import QuartTrio

from phaseline.client.address import Address
from phaseline.client.token import token
from phaseline.errors import ConfigError
from phaseline_server.access.keeper import Keeper
from phaseline_server.config.settings import Settings
from phaseline_server.errors import LogReplaced
from phaseline_server.http.mirror_link import MirrorLink
from phaseline_server.http.services import Services
from phaseline_server.http.waiting_room import Waiting, make_waiting_room
from phaseline_server.log.engines import open_mirror
from phaseline_server.log.protocol import Retention
from phaseline_server.mirror.feed import MirrorFeed
from phaseline_server.mirror.source import Source
from phaseline_server.runtime.entrance import Entrance
from phaseline_server.runtime.follower import follow_feed
from phaseline_server.runtime.listening import make_door, reload_at_hangup
from phaseline_server.runtime.stage import Stage

__all__ = ["serve_mirror"]

_log: Final = structlog.get_logger()
_LOOK_S: Final = 0.5
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


async def serve_mirror(entrance: Entrance, listeners: Sequence[trio.SocketListener], keeper: Keeper) -> None:
    """Serve a copy of the log of `Settings.follow` until cancelled.

    Raises:
        ConfigError: That is this server itself.
        JournalUnusable: The copy on disk can't be opened.
        JournalFailed: The disk failed.
    """
    settings = entrance.settings
    source = Source(settings.follow, lambda: settings.follow_token or token())
    check_other(source.address, listeners)
    door, waiting = make_door(settings, entrance.tls), Waiting()
    waiting.mirror(settings.follow, "")
    stage = Stage(make_waiting_room(waiting))
    opened = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reload_at_hangup, entrance.tls)

        async def open_door() -> None:
            nonlocal opened
            if not opened:
                opened = True
                await entrance.serve(nursery, door, stage)

        async def show(within: trio.Nursery, services: Services, app: QuartTrio) -> None:
            await within.start(stage.show, app, services.closing, services.disconnected)
            await open_door()

        while True:
            try:
                async with _open_feed(settings, source, waiting) as feed:
                    if not feed.has_copy:
                        await open_door()
                    link = MirrorLink(settings.follow)
                    parts = (settings, keeper, door, show)
                    await follow_feed(feed, link, *parts, engine=feed.estimates, clock=feed.clock, address=entrance.url)
            except* LogReplaced as errors:
                _log.info("copying the source's log again", reason=str(errors.exceptions[0]))


@asynccontextmanager
async def _open_feed(settings: Settings, source: Source, waiting: Waiting) -> AsyncIterator[MirrorFeed]:
    """Follow the source for the length of the block."""
    retention = Retention(events=settings.keep_events, jobs=settings.keep_jobs, age_s=settings.keep_for, producers=0)
    feed = MirrorFeed(await open_mirror(Path(settings.data_dir), retention), source, settings.follow)

    async def update() -> None:
        while True:
            waiting.mirror(settings.follow, feed.problem)
            await trio.sleep(_LOOK_S)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed.run)
            nursery.start_soon(update)
            yield feed
            nursery.cancel_scope.cancel()
    finally:
        await feed.close()


def check_other(source: Address, listeners: Sequence[trio.SocketListener]) -> None:
    """Check that the source's address is not one of this server.

    Raises:
        ConfigError: It is.
    """
    for listener in listeners:
        host, port, *_ = listener.socket.getsockname()
        own = {host} | (_LOCAL if host in {"0.0.0.0", "::", *_LOCAL} else set())  # noqa: S104 (compared)
        if source.port == port and source.host in own:
            text = f"follow is {source.authority}, which is this server's own address; allowed: that of another server"
            raise ConfigError(text)
