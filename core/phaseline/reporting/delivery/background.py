"""The background thread. It starts with the first report: a worker that reports nothing loads and runs nothing."""

import contextlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from phaseline.client.address import Address
from phaseline.client.notes import warn
from phaseline.reporting.delivery.inbox import Inbox
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.record import Record

if TYPE_CHECKING:
    from pathlib import Path

    from phaseline.reporting.delivery.delivery import Delivery

__all__ = ["Background", "Worker"]

# A fork while this thread loads a module would leave its copy half loaded and locked in the child, for ever.
_loading = threading.Lock()
_LONGEST_LOAD_S: Final = 10.0
_forking = threading.local()


class Worker(Protocol):
    """Who reports; told by the background thread."""

    def refused(self, record: Record, code: str, text: str) -> None:
        """Take in that the server did not take a record."""
        ...

    def dropped(self, count: int) -> None:
        """Take in that so many records were dropped, all in all, for want of room."""
        ...


class Background:
    """The thread of one reporter in one process, and what it needs."""

    def __init__(self, address: Address, inbox: Inbox, own: Outbox, directory: "Path | None", worker: Worker) -> None:
        self._address = address
        self._inbox = inbox
        self._own = own
        self._directory = directory
        self._worker = worker
        self._run_soon: Callable[..., None] | None = None
        self._delivery: Delivery | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="phaseline-reporter", daemon=True)

    def start(self) -> None:
        """Start the thread; `stop` joins it. Raises RuntimeError when there can't be another thread."""
        _mind_forks()
        self._thread.start()

    def wake(self) -> None:
        """Say that the inbox has something."""
        self._tell("rouse")

    def hurry(self) -> None:
        """Say that somebody waits."""
        self._tell("hurry")

    def _tell(self, method: str) -> None:
        run_soon = self._run_soon
        if run_soon is not None:  # before that, the thread has yet to look at the inbox for the first time
            with contextlib.suppress(RuntimeError):  # the run is over
                run_soon(getattr(self._delivery, method), idempotent=True)

    def stop(self, timeout: float, *, process_ends: bool = False) -> None:
        """End the thread, and wait for that at most `timeout` seconds; tell the server if the process ends."""
        self._stopped = True
        self._tell("leave" if process_ends else "stop")
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def left(self) -> list[str]:
        """Return the job of each report that no server has acknowledged, as far as the thread has taken them."""
        spool = self._own.spool
        return [record.job_id for record in (*spool.numbered(), *spool.held)]

    def let_go(self) -> None:
        """In a forked child: let go of the parent's connection and files, which would not end with it otherwise."""
        fds = self._delivery.fds() if self._delivery else [self._own.fd]
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            for fd in fds:
                # The parent's objects will close these numbers once more, so they stay in use.
                if fd >= 0:
                    os.dup2(nowhere, fd, inheritable=False)
            os.close(nowhere)

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        try:
            with _loading:
                _load()
            import trio  # noqa: PLC0415

            trio.run(self._main, strict_exception_groups=True)
        except Exception as error:  # noqa: BLE001 - a worker never fails for its reporter
            warn("the reporter ended by a mistake of its own (%r); nothing more is delivered", error)

    async def _main(self) -> None:
        import trio  # noqa: PLC0415

        from phaseline.reporting.delivery.delivery import Delivery  # noqa: PLC0415

        self._delivery = delivery = Delivery(self._address, self._inbox, self._own, self._directory, self._worker)
        self._run_soon = trio.lowlevel.current_trio_token().run_sync_soon
        if self._stopped:
            delivery.stop()
        await delivery.run()


def _load() -> None:
    """Load all that the thread will ever need."""
    import encodings.idna  # noqa: F401, PLC0415 - for the first name that is looked up

    import phaseline.reporting.delivery.delivery  # noqa: F401, PLC0415


def _before_fork() -> None:
    _forking.waited = _loading.acquire(timeout=_LONGEST_LOAD_S)


def _after_fork() -> None:
    if getattr(_forking, "waited", False):
        _forking.waited = False
        _loading.release()


def _after_fork_in_child() -> None:
    global _loading  # noqa: PLW0603 - whoever held it is not there any more
    _loading = threading.Lock()


_minded = False


def _mind_forks() -> None:
    """See to it, once, that no process forks while its thread loads modules."""
    global _minded  # noqa: PLW0603 - hooks can't be taken back
    # What is registered last is done first. Logging's hook takes the lock that the thread needs in order to load, so it
    # has to be there before ours; and it must not come between the two halves of a fork, so the thread can't bring it.
    import logging  # noqa: F401, PLC0415

    if not _minded and hasattr(os, "register_at_fork"):
        _minded = True
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
