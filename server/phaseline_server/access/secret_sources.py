"""The storage of tokens, links and tickets: files in the data directory, or a shared log."""

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog
import trio

from phaseline.errors import ConfigError, DiskFull, PhaselineError
from phaseline_server.access.secret_files import Document, SecretFile
from phaseline_server.errors import JournalFailed, JournalUnusable, LogUnavailable
from phaseline_server.log.secret_store import DOCUMENTS, Revision, SecretStore

__all__ = ["FileSecrets", "Secrets", "SharedSecrets", "take_over_files"]

_log: Final = structlog.get_logger(__name__)
_ROUND_S: Final = 0.5
"""Interval at which a server looks for changes of the shared documents."""
_APART_S: Final = 0.2
"""Least interval between two looks that unknown secrets cause."""
_Result = TypeVar("_Result")


class Secrets(Protocol):
    """The tokens and links of a server."""

    def document(self, name: str) -> Document:
        """Return one of `DOCUMENTS`."""
        ...

    async def refresh(self) -> bool:
        """Look for changes that other servers have made; return whether there are any."""
        ...

    @property
    def shared(self) -> "SharedSecrets | None":
        """The part that only a shared log has."""
        ...


class FileSecrets:
    """The files of a data directory; each request sees their present content."""

    shared = None

    def __init__(self, data_dir: Path) -> None:
        """Use the files of `data_dir`."""
        self._data_dir = data_dir

    def document(self, name: str) -> Document:
        """See `Secrets.document`."""
        return SecretFile(self._data_dir, name)

    async def refresh(self) -> bool:
        """See `Secrets.refresh`."""
        return False


class SharedSecrets:
    """The secrets of a shared log, as this server last read them. They stay valid while the database is unreachable."""

    def __init__(self, store: SecretStore, data_dir: Path) -> None:
        """Use `store`; the files of `data_dir` are taken over if the log has no tokens yet."""
        self._store = store
        self._data_dir = data_dir
        self._known: Mapping[str, Revision] | None = None
        self._changes = 0
        self._turn = trio.Lock()  # one thread at a time, for any number of clients
        self._looked_s = -inf
        self._available = True

    @property
    def shared(self) -> "SharedSecrets":
        """See `Secrets.shared`."""
        return self

    @property
    def known(self) -> Mapping[str, Revision]:
        """The documents.

        Raises:
            LogUnavailable: They have not been read yet.
        """
        if self._known is None:
            raise LogUnavailable("the tokens have not been read from the log yet; retry later")
        return self._known

    def document(self, name: str) -> Document:
        """See `Secrets.document`."""
        return _SharedDocument(self, name, self._store.name)

    # ------------------------------------------------------------------ documents, in any thread

    def read(self) -> Mapping[str, Revision]:
        """Return the present documents; raises as `SecretStore.read`, and ConfigError if a file can't be taken over."""
        if self._known is None and take_over_files(self._store, self._data_dir):
            _log.info("tokens.json was copied into the log, which has the tokens from now on", log=self._store.name)
        return self._store.read(self._known or {})

    def take(self, found: Mapping[str, Revision]) -> None:
        """Use these documents."""
        self._known = found

    def change(self, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Change a document; raises as `SecretStore.change`."""
        found = self._store.change(lambda present: {name: change(present.get(name))})
        self._changes += 1
        self.take(found)

    # ------------------------------------------------------------------ of a server

    async def refresh(self) -> bool:
        """See `Secrets.refresh`; waits for the next read, of which there are few, but not if the log is unreachable."""
        before, asked_s = self._known, trio.current_time()
        if before is None or not self._available:
            return False
        await trio.sleep_until(max(asked_s, self._looked_s + _APART_S))
        try:
            await self._look(asked_s)
        except (DiskFull, JournalFailed, JournalUnusable, LogUnavailable):
            return False
        return self._known is not before

    async def run(
        self, check: Callable[[bool], None], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Look for changes until cancelled.

        Args:
            check: Called before the documents are used, with whether there are tokens; it may raise an error.
            task_status: Started after the first attempt to read them.

        Raises:
            PhaselineError: The documents can't be used, which is found before they are known.
        """
        failed = started = False
        while True:
            try:
                await self._look(check=check)
                failed = False
            except LogUnavailable:
                pass  # the reader of the events logs this error
            except (ConfigError, DiskFull, JournalFailed, JournalUnusable) as error:
                if self._known is None:
                    raise
                if not failed:
                    _log.error("can't read the tokens from the log; the known ones stay valid", error=str(error))
                failed = True
            if not started:
                started = True
                task_status.started()
            await trio.sleep(_ROUND_S)

    async def _look(self, since_s: float | None = None, check: Callable[[bool], None] = lambda _: None) -> None:
        """Read the documents. With `since_s`, skip this if a read began after that time or the log is unavailable."""
        async with self._turn:
            if since_s is not None and (self._looked_s >= since_s or not self._available):
                return
            self._looked_s, changes = trio.current_time(), self._changes
            try:
                found = await trio.to_thread.run_sync(self.read)
            except PhaselineError:
                self._available = False
                raise
            self._available = True
            if self._known is None:
                check("tokens" in found)
            if changes == self._changes:  # otherwise they may be older than this server's own change
                self.take(found)

    async def add_ticket(self, sha256: str, holder: str, lifetime_s: float) -> bool:
        """Store a client's ticket; return False if that is not possible, or not known."""
        try:
            await self._use(lambda: self._store.add_ticket("client", sha256, holder, lifetime_s))
        except (DiskFull, JournalFailed, LogUnavailable):
            return False
        return True

    async def take_ticket(self, sha256: str) -> str | None:
        """See `SecretStore.take_ticket`."""
        return await self._use(lambda: self._store.take_ticket(sha256))

    async def add_server_ticket(self, sha256: str, lifetime_s: float) -> None:
        """Store a ticket of this server; raises as `SecretStore.add_ticket`."""
        await self._use(lambda: self._store.add_ticket("server", sha256, "", lifetime_s))

    async def has_server_ticket(self, sha256: str) -> bool:
        """See `SecretStore.has_server_ticket`."""
        return await self._use(lambda: self._store.has_server_ticket(sha256))

    async def _use(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns; fail at once while the log is not available, as many clients may wait."""
        async with self._turn:
            if not self._available:
                raise LogUnavailable("the log's database is not available; the server connects again; retry later")
            try:
                return await trio.to_thread.run_sync(work)
            except LogUnavailable:
                self._available = False
                raise


class _SharedDocument:
    """A document in a shared log; see `Document`."""

    def __init__(self, secrets: SharedSecrets, name: str, log: str) -> None:
        self._secrets = secrets
        self._name = name
        self.place = f"{name} in {log}"

    def fingerprint(self) -> object:
        found = self._secrets.known.get(self._name)
        return None if found is None else found.number

    def read(self) -> bytes | None:
        found = self._secrets.known.get(self._name)
        return None if found is None else found.content

    def change(self, change: Callable[[bytes | None], bytes]) -> None:
        self._secrets.change(self._name, change)


def take_over_files(store: SecretStore, data_dir: Path) -> bool:
    """Copy the documents of a data directory into a log that has no tokens; return whether there are any.

    Raises:
        ConfigError: A file is not readable.
        PhaselineError: As of `SecretStore.change`.
    """
    contents = {name: SecretFile(data_dir, name).read() for name in DOCUMENTS}
    files = {name: content for name, content in contents.items() if content is not None}
    if "tokens" not in files or "tokens" in store.read({}):
        return False
    taken = False

    def add(present: Mapping[str, bytes]) -> Mapping[str, bytes]:
        nonlocal taken
        taken = "tokens" not in present
        return files if taken else {}

    store.change(add)
    return taken
