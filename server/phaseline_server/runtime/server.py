"""The server: it binds its addresses, and leads a log, follows one, or mirrors another server, until it is stopped."""

import gc
import sys
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from phaseline_server.access.exposure import check_exposure
from phaseline_server.access.keeper import Keeper
from phaseline_server.atomic_files import check_data_dir, make_data_dir
from phaseline_server.config.settings import Settings
from phaseline_server.door import open_listeners
from phaseline_server.door.inherited import inherited_listeners
from phaseline_server.errors import Deposed, LogUnavailable
from phaseline_server.log.engines import open_store
from phaseline_server.log.protocol import Retention
from phaseline_server.runtime.entrance import Entrance, first_of
from phaseline_server.runtime.keeping import open_keeper
from phaseline_server.runtime.leader import lead
from phaseline_server.runtime.logging_setup import announce_data_dir, configure_logs
from phaseline_server.runtime.mirror import serve_mirror
from phaseline_server.runtime.signals import watch_signals
from phaseline_server.runtime.systemd import attend

__all__ = ["run", "serve", "tune_interpreter"]

_log: Final = structlog.get_logger()
# The committing thread needs the interpreter often and briefly; with the default interval it would wait 5 ms each time.
_TURN_S: Final = 0.0003


def run(settings: Settings, *, explicit_bind: bool, explicit_data_dir: bool) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Args:
        settings: The configuration.
        explicit_bind: Whether the user chose `settings.bind`. A default address that is in use may be skipped.
        explicit_data_dir: Whether the user chose `settings.data_dir`. The default one is named in the log.

    Raises:
        PhaselineError: The server can't start, because of the data directory or the addresses.
    """
    configure_logs(settings.log_format, settings.log_level)
    tune_interpreter()
    data_dir = Path(settings.data_dir)
    make_data_dir(data_dir, parents=not explicit_data_dir)
    if not explicit_data_dir:
        announce_data_dir(data_dir)
    trio.run(_main, settings, explicit_bind, strict_exception_groups=True)
    return 0


def tune_interpreter() -> None:
    """Tune the interpreter of this process for a busy server."""
    # See docs/decisions/0042: nothing else runs during a garbage collection.
    gc.freeze()
    gc.set_threshold(2_000, 4, 500)
    sys.setswitchinterval(_TURN_S)


async def _main(settings: Settings, explicit_bind: bool) -> None:  # noqa: FBT001 - trio.run passes by position
    async with trio.open_nursery() as around:
        work = trio.CancelScope()
        await around.start(watch_signals, work.cancel)
        try:
            with work:
                async with trio.open_nursery() as nursery:
                    await nursery.start(partial(serve, settings, explicit_bind=explicit_bind))
                    await attend()
        finally:
            around.cancel_scope.cancel()


async def serve(
    settings: Settings,
    *,
    explicit_bind: bool = True,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Start it with `nursery.start`, which returns the bound URLs.

    On shutdown the server accepts no more connections, cancels the runs, publishes that, closes the clients'
    connections, and saves the statistics.

    Raises:
        PhaselineError: The server can't start, because of the data directory, journal, metrics file or addresses.
        JournalFailed: The disk failed while the server was running.
    """
    data_dir = Path(settings.data_dir)
    await trio.to_thread.run_sync(check_data_dir, data_dir)
    listeners = inherited_listeners() or await open_listeners(settings.bind, explicit_bind)
    try:
        async with open_keeper(settings, data_dir, partial(check_exposure, settings, listeners)) as keeper:
            entrance = Entrance(settings, listeners, task_status)
            if settings.follow:
                await serve_mirror(entrance, listeners, keeper)
            while True:
                try:
                    await _serve_while_leading(entrance, settings, data_dir, keeper)
                except* (Deposed, LogUnavailable) as errors:
                    _log.warning("this server no longer leads the log", error=str(first_of(errors)))
    finally:
        for listener in listeners:
            listener.socket.close()


async def _serve_while_leading(entrance: Entrance, settings: Settings, data_dir: Path, keeper: Keeper) -> None:
    """Wait until the log is open for this server; then serve until cancelled, or until another server leads."""
    retention = Retention(events=settings.keep_events, jobs=settings.keep_jobs, age_s=settings.keep_for)
    async with (
        entrance.reception(keeper) as reception,
        open_store(
            data_dir, retention, settings.log, server=entrance.url, lag=reception.lag, waiting=reception.update
        ) as store,
    ):
        await lead(store, entrance, reception, keeper)
