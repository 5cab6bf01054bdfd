"""The reporter: sends a worker's reports in the background; it never blocks the worker or makes it fail."""

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, Self

from phaseline.client.address import urls_of
from phaseline.errors import InvalidField, PhaselineError, Refused
from phaseline.model.events import Event
from phaseline.reporting.arguments import checked_directory, checked_size, checked_timeout, configured
from phaseline.reporting.delivery.inbox import Inbox, Sample, Waiter
from phaseline.reporting.identity import Identity
from phaseline.reporting.job import JobReporter
from phaseline.reporting.orders import Handlers, OrderHandler, handlers_of
from phaseline.reporting.problems import Problems
from phaseline.reporting.processes import finish_in_child, watch_process
from phaseline.reporting.record import Record, encoded
from phaseline.reporting.starting import start_of
from phaseline.reporting.values import seconds, text_of
from phaseline.reporting.waiting import in_thread
from phaseline.reporting.worker_side import WorkerSide

if TYPE_CHECKING:
    from phaseline.reporting.delivery.background import Background
    from phaseline.reporting.delivery.brief import BriefDelivery

__all__ = ["Reporter"]

_END_S: Final = 1.0


class Reporter:
    """Reports jobs to a server in the background.

        with Reporter() as reporter, reporter.job("render shot 12", phases=["load", "render"]) as job:
            with job.phase("load"):
                scene = load()
            for frame in job.track(scene.frames, phase="render"):
                render(frame)

    It is safe to use from any thread, in asyncio and Trio programs, in signal handlers, and across `fork`. A forked
    child reports for itself; undelivered reports stay with its parent. No call waits for the network or raises because
    of it. While the server is down, reports are stored, and later delivered in order; of a phase's progress, only the
    first and the latest report. Invalid and rejected reports are logged under `phaseline`, once per job and kind of
    problem.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        spool: int = 10_000,
        spool_dir: str | os.PathLike[str] | None = None,
        flush_timeout: float = 5.0,
        strict: bool = False,
        host: str | None = None,
        worker_facts: Collection[str] | bool | None = None,
    ) -> None:
        """Create a reporter to `url`; it loads, starts and connects nothing before the first report.

        Args:
            url: `ws://host:port/ws`, or the server's HTTP address; several with commas for servers that share a log.
                [PROGRESS_URL, else `ws://127.0.0.1:5100/ws`]
            spool: Number of reports of up to 1 KiB to store while the server is down; a larger one counts once more for
                each full KiB. Starts and ends of jobs are always stored.
            spool_dir: A directory for undelivered reports, in case this process dies. The next reporter that uses the
                directory delivers the reports of dead processes; "" keeps them in memory only. [a directory for this
                server in `$XDG_STATE_HOME/phaseline/spool`]
            flush_timeout: Maximum time in seconds for which `close` and the end of the interpreter wait for delivery.
                If no server was reached so far, they only wait for one attempt to connect.
            strict: Raise errors instead of logging them: an invalid report immediately, a report that the server
                rejected at the next call or at `close`.
            host: The name of this machine in the job's status. [the system's host name]
            worker_facts: The facts about this process and machine to send, by their names in `worker_facts.FACTS`; or
                False. Secrets in the command are hidden. [PROGRESS_FACTS, else all]

        Raises:
            ConfigError: An argument is invalid. An invalid PROGRESS_URL is only logged, unless the reporter is strict;
                then nothing is reported.
        """
        self.identity = Identity(host, wanted=worker_facts, strict=strict)
        self.host = self.identity.host
        self.flush_timeout = checked_timeout(flush_timeout)
        self._size = checked_size(spool)
        self._addresses = configured(url, strict=strict)
        self._spool_dir = checked_directory(spool_dir)
        self._strict = strict
        self._problems = Problems(spool)
        self._background: Background | None = None
        self.brief: BriefDelivery | None = None
        """Delivers the reports of a process that is about to exit; set it before the first report."""
        self._begin()
        watch_process(self)

    def _begin(self) -> None:
        """Start with an empty inbox: initially, and in a forked child."""
        self._starting = threading.RLock()
        self._inbox = Inbox(self._size, self._wake)
        self._background = None
        self._side = WorkerSide(self._problems, self._inbox)
        self._problems.rejection = None
        self._closed = self._left = False

    @property
    def url(self) -> str | None:
        """The server's URL, or several; None if PROGRESS_URL is invalid, so that nothing is reported."""
        return urls_of(self._addresses) or None

    # ------------------------------------------------------------------ reporting

    def report(self, report: Event | dict[str, Any]) -> None:
        """Report an event, or a message of the photo protocol.

        Raises:
            PhaselineError: Only if the reporter is strict: the report is invalid or comes after `close`, or the server
                rejected an earlier one (Refused).
        """
        try:
            self._put(encoded(report))
        except Exception as error:  # a worker's objects may raise anything
            problem = error
            if not isinstance(error, PhaselineError):
                problem = InvalidField("the report", type(error).__name__, f"values that can be read: {error}")
            self._reject(report, problem)
            if self._strict:
                raise problem from error
        if self._strict:
            self._raise_rejection()

    def _reject(self, report: Event | dict[str, Any], error: Exception) -> None:
        with contextlib.suppress(PhaselineError):
            instead = self._problems.invalid(report, error)
            if instead is not None and not self._closed:
                self._put(instead)

    def _put(self, record: Record) -> None:
        if self._closed:
            raise Refused(f"the reporter to {self.url} is closed; report before close()")
        if self._addresses:
            self._inbox.put(record)
            if self._background is None:
                self._start()

    def watch(self, job_id: str, sample: Callable[[], Sample | None] | None) -> Callable[[], Sample | None] | None:
        """Sample a job's progress with `sample`; return the previous function, or None.

        Args:
            job_id: The id of the job.
            sample: Returns phase, percent (or None) and a line for users; or None if nothing is new. The background
                thread calls it about ten times a second while it is connected. It must not block. None stops sampling.
        """
        return self._inbox.watch(text_of(job_id), sample)

    def attend(self, job_id: str, handlers: Handlers) -> None:
        """Accept orders for a job with `handlers`, which the background thread calls; without any, stop accepting."""
        self._side.attend(job_id, handlers)

    def _start(self) -> None:
        # Imported here, because a program that imports this module may never report.
        from phaseline.reporting.delivery.background import Background, Spooling  # noqa: PLC0415

        with self._starting:
            if self._background is not None or not self._addresses:
                return
            spool = Spooling(self._size, self._spool_dir)
            identity = self.identity
            host = self.host if identity.sends("load") else ""
            self._background = background = Background(
                self._addresses, self._inbox, identity.producer(), spool, self._side, host, self.brief
            )
            try:
                background.start()
            except RuntimeError as error:
                self._background = None
                self._problems.log(
                    "start", "", "", f"can't start the reporter's thread: {error}; the next report retries"
                )
                return
        finish_in_child()

    def _wake(self) -> None:
        if self._background is not None:
            self._background.wake()

    def job(  # noqa: PLR0913 - the known facts about a job
        self,
        name: str,
        *,
        phases: Iterable[str] = (),
        workflow: str | None = None,
        series: str = "",
        info: dict[str, Any] | None = None,
        job_id: str | None = None,
        worker: dict[str, Any] | None = None,
        age: float = 0.0,
        on_cancel: OrderHandler | None = None,
        on_pause: OrderHandler | None = None,
        on_resume: OrderHandler | None = None,
    ) -> JobReporter:
        """Return a job to report; its `with` block starts and ends it.

        Args:
            name: The name that users see; it need not be unique.
            phases: Its phases in order; others are added when they are reported.
            workflow: The workflow, for which durations are learned; `photo` for the photo protocol's. [custom]
            series: A name for jobs of the workflow that take about equally long.
            info: Metadata of the item that the job processes.
            job_id: The job's id. [the name with a random suffix]
            worker: Facts about the process that does the work, if it is another one. [this process, by `worker_facts`]
            age: The time in seconds since the work began, at most a week. [0]
            on_cancel: Carries out an order to cancel the job; its argument is the user's reason. The background thread
                calls it, so it must not block: let it set an event that the work checks. An exception refuses the order
                with its text. Without it, the job accepts no such order.
            on_pause: Carries out an order to pause, likewise; only with `on_resume`.
            on_resume: Carries out an order to resume.
        """
        handlers = handlers_of(on_cancel, on_pause, on_resume)
        given = {"phases": phases, "workflow": workflow, "series": series, "info": info, "job_id": job_id, "age": age}
        known = self.identity.facts() if worker is None else worker
        return JobReporter(self, start_of(name, given, self.host, known, handlers), handlers)

    def _raise_rejection(self) -> None:
        rejection, self._problems.rejection = self._problems.rejection, None
        if rejection is not None and self._strict:
            raise rejection

    # ------------------------------------------------------------------ ending

    def flush(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds until all reports are delivered; return whether they are.

        Raises:
            Refused: The reporter is strict, and the server rejected a report.
        """
        delivered = self._flush(seconds(timeout, self.flush_timeout), impatient=False)
        self._raise_rejection()
        return delivered

    def _flush(self, timeout: float, *, impatient: bool) -> bool:
        background = self._background
        if background is None or self._closed:
            return not self._left
        waiter = Waiter(impatient=impatient)
        self._inbox.put_waiter(waiter)
        background.hurry()
        return waiter.wait(timeout)

    def close(self) -> None:
        """Deliver the remaining reports within `flush_timeout`, and disconnect. Later reports are rejected.

        Raises:
            Refused: The reporter is strict, and the server rejected a report.
        """
        self._close(self.flush_timeout)
        self._raise_rejection()

    def _close(self, timeout: float, *, process_ends: bool = False) -> None:
        if self._closed:
            return
        self._left = not self._flush(timeout, impatient=True)
        self._closed = True
        if self._background is not None:
            self._background.stop(_END_S, process_ends=process_ends)
        if self._left:
            self._log_undelivered()

    def _log_undelivered(self) -> None:
        if self._background is not None:
            self._problems.undelivered(self._background.left(), self.url, *self._background.kept_in())

    def finish(self, timeout: float, *, close: bool) -> None:
        """Deliver the remaining reports within `timeout` seconds, because the process ends."""
        if close:
            self._close(timeout, process_ends=True)
        elif not self._flush(timeout, impatient=True):
            self._log_undelivered()

    def begin_again(self) -> None:
        """Reset the reporter in a forked child; the connection and undelivered reports stay with the parent."""
        if self._background is not None:
            self._background.let_go()
        self._begin()

    async def aflush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as `flush`
        """Flush in an asyncio or Trio program without blocking its event loop."""
        return await in_thread(lambda: self.flush(timeout))

    async def aclose(self) -> None:
        """Close in an asyncio or Trio program without blocking its event loop."""
        await in_thread(self.close)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close it."""
        self._close(self.flush_timeout)
        if kind is None:
            self._raise_rejection()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close it."""
        await in_thread(lambda: self._close(self.flush_timeout))
        if kind is None:
            self._raise_rejection()
