"""The background thread, which starts with the first report; before that, a worker does not import its code."""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from phaseline.client.address import Address
from phaseline.client.notes import warn
from phaseline.client.state import spool_folder
from phaseline.reporting.delivery.brief import BriefDelivery, deliver_briefly
from phaseline.reporting.delivery.importing import delay_forks, load
from phaseline.reporting.delivery.inbox import Inbox
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.delivery.worker import Worker

if TYPE_CHECKING:
    from phaseline.reporting.delivery.delivery import Delivery

__all__ = ["Background", "Spooling"]


class Spooling(NamedTuple):
    """The storage of reports until they are delivered.

    Attributes:
        size: The number of reports to store.
        directory: The directory that stores them, too; "" for none, None for the default one.
    """

    size: int
    directory: str | None


class Background:
    """The thread of one reporter in one process."""

    def __init__(
        self,
        addresses: Sequence[Address],
        inbox: Inbox,
        producer: str,
        spooling: Spooling,
        worker: Worker,
        host: str = "",
        brief: BriefDelivery | None = None,
    ) -> None:
        """Prepare to deliver.

        Args:
            addresses: The servers.
            inbox: The source of the reports.
            producer: The producer's name for their numbers.
            spooling: Their storage until they are delivered.
            worker: The reporter.
            host: The name of the machine whose load is sent; "" to send none.
            brief: Delivers the reports of a process that is about to exit.
        """
        self._addresses = addresses
        self._inbox = inbox
        self._by_default = spooling.directory is None and os.name == "posix"
        self._directory: Path | None = Path(spooling.directory) if spooling.directory else None
        if self._by_default:
            folder = spool_folder(addresses)
            self._directory = folder if folder.is_absolute() else None  # this user has no home
        self._own = Outbox.own(producer, spooling.size, self._directory, quiet=self._by_default)
        self._worker = worker
        self._host = host
        self._run_soon: Callable[..., None] | None = None
        self._delivery: Delivery | None = None
        self._stopped = False
        self._brief = brief
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phaseline-reporter", daemon=True)

    def start(self) -> None:
        """Start the thread; `stop` joins it. Raise RuntimeError if the system allows no more threads."""
        delay_forks()
        self._thread.start()

    def wake(self) -> None:
        """Signal that the inbox is not empty."""
        self._signal("rouse")

    def hurry(self) -> None:
        """Signal that a caller waits for delivery."""
        self._hurried.set()
        self._signal("hurry")

    def _signal(self, method: str) -> None:
        run_soon = self._run_soon
        if run_soon is not None:  # before that, the thread has not looked at the inbox yet
            with contextlib.suppress(RuntimeError):  # the run has ended
                run_soon(getattr(self._delivery, method), idempotent=True)

    def stop(self, timeout: float, *, process_ends: bool = False) -> None:
        """Stop the thread and wait for it at most `timeout` seconds; the close code shows whether the process ends."""
        self._stopped = True
        self._hurried.set()
        self._signal("leave" if process_ends else "stop")
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def left(self) -> list[str]:
        """Return the job id of each report that the thread has taken and that no server has acknowledged."""
        spool = self._own.spool
        return [record.job_id for record in (*spool.numbered(), *spool.held)]

    def kept_in(self) -> tuple[Path | None, str]:
        """Return the directory of the spool, if any, and why it can't be written, or ""."""
        return self._directory, self._own.problem

    def let_go(self) -> None:
        """Close the parent's connection and files in a forked child; otherwise they would outlast the parent."""
        fds = self._delivery.fds() if self._delivery else [self._own.fd]
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            for fd in fds:
                # The parent's objects will close these descriptors again, so they must stay valid.
                if fd >= 0:
                    os.dup2(nowhere, fd, inheritable=False)
            os.close(nowhere)

    # ------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        try:
            if self._brief is not None and deliver_briefly(
                self._brief, self._own, self._inbox, self._hurried, self._directory
            ):
                return
            load()
            import trio  # noqa: PLC0415

            trio.run(self._main, strict_exception_groups=True)
        except Exception as error:  # noqa: BLE001 - a worker never fails because of its reporter
            warn("the reporter failed (%r); no more reports are delivered; please report this bug", error)

    async def _main(self) -> None:
        import trio  # noqa: PLC0415

        from phaseline.reporting.delivery.delivery import Delivery  # noqa: PLC0415

        if self._by_default and self._directory is not None:
            from phaseline.reporting.delivery.tidying import tidy  # noqa: PLC0415

            tidy(self._directory)
        self._delivery = delivery = Delivery(
            self._addresses, self._inbox, self._own, self._directory, self._worker, self._host
        )
        self._run_soon = trio.lowlevel.current_trio_token().run_sync_soon
        if self._stopped:
            delivery.stop()
        await delivery.run()
