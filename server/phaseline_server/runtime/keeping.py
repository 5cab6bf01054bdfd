"""The keeper of a server's tokens: those in its data directory, or in the log that it shares."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog
import trio

from phaseline_server.access.keeper import Keeper
from phaseline_server.access.secret_files import SecretFile
from phaseline_server.access.secret_sources import FileSecrets, SharedSecrets
from phaseline_server.access.tokens import DOCUMENT
from phaseline_server.config.log_address import SQLITE
from phaseline_server.config.settings import Settings
from phaseline_server.log.engines import open_secrets

__all__ = ["open_keeper"]

_log = structlog.get_logger(__name__)


class ExposureCheck(Protocol):
    """Checks whether the server may start, with or without tokens; see `check_exposure`."""

    def __call__(self, *, is_open: bool) -> None: ...


@asynccontextmanager
async def open_keeper(settings: Settings, data_dir: Path, check: ExposureCheck) -> AsyncIterator[Keeper]:
    """Keep the tokens for the length of the block.

    If the log that has them is not available, the block begins without them, and every client is rejected until they
    are known. If the server may not start without tokens, and there are none, the block is canceled then.

    Args:
        settings: The configuration.
        data_dir: The data directory.
        check: Called once it is known whether there are tokens.

    Raises:
        ConfigError: The tokens are not readable or not valid, or as of `check`.
        JournalUnusable: The address of the log is not valid, or the database rejects what the log needs.
    """
    if settings.log == SQLITE:
        keeper = Keeper(FileSecrets(data_dir), settings.max_reports)
        check(is_open=keeper.is_open)
        yield keeper
        return
    store = open_secrets(settings.log)
    try:
        secrets = SharedSecrets(store, data_dir)
        keeper = Keeper(secrets, settings.max_reports)
        if not settings.insecure:
            check(is_open=False)  # without TLS, it need not wait for the log

        def decide(has_tokens: bool) -> None:  # noqa: FBT001 (the only argument)
            check(is_open=not has_tokens)
            if SecretFile(data_dir, DOCUMENT).fingerprint() is not None:
                _log.info("the tokens are in the log; tokens.json is not used", path=str(data_dir))

        async with trio.open_nursery() as nursery:
            await nursery.start(secrets.run, decide)
            yield keeper
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(store.close)
