"""The reporter: what a worker says, said without ever making the worker wait or fail."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Self

from phaseline.client.address import Address
from phaseline.client.notes import Warned, warn
from phaseline.errors import ConfigError, PhaselineError, Refused
from phaseline.model.events import Event, JobStarted
from phaseline.reporting.delivery.inbox import Inbox, Sample, Waiter
from phaseline.reporting.job import JobReporter
from phaseline.reporting.processes import finish_in_child, mind
from phaseline.reporting.record import Record, bare_end, encoded
from phaseline.reporting.waiting import in_thread

if TYPE_CHECKING:
    from pathlib import Path

    from phaseline.reporting.delivery.background import Background

__all__ = ["Reporter"]

_END_S: Final = 1.0
_MOST_NAMED: Final = 5
_ENDS: Final = frozenset({"job_completed", "job_failed", "job_cancelled"})


class Reporter:
    """Reports jobs to a server in the background.

        with Reporter() as reporter, reporter.job("render shot 12", phases=["load", "render"]) as job:
            with job.phase("load"):
                scene = load()
            for frame in job.track(scene.frames, phase="render"):
                render(frame)

    It may be used from any thread, from asyncio and Trio programs, from signal handlers, and across `fork`: a child
    reports for itself, and what its parent had still to deliver stays the parent's. No call waits for the network, and
    none raises because of it. While the server is away, what was reported is kept, and delivered in order once it is
    back; of each job's progress only the latest. What the server refuses is logged under `phaseline`, once for each job
    and kind of trouble.
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
    ) -> None:
        """Report to `url`; nothing is loaded, started or connected before the first report.

        Args:
            url: `ws://host:port/ws`, or the server's http address; by default what PROGRESS_URL says, or
                `ws://127.0.0.1:5100/ws`.
            spool: How many reports of up to a KiB are kept while the server is away; a larger one counts for as many
                as it has KiB. Beginnings and ends of jobs are kept beyond that.
            spool_dir: A directory in which they are kept too, for the case that this process dies. The next reporter
                that uses the directory delivers what dead ones left.
            flush_timeout: How many seconds `close`, and the end of the interpreter, wait at most for what is left.
                Without `spool_dir`, and with no server seen so far, they wait for one attempt to connect.
            strict: Raise what is wrong with a report at once, and at the next call or at `close` what the server
                refused, instead of logging it.
            host: The name of this box, for those who watch; by default what the system says.

        Raises:
            ConfigError: `url` is no address of a server. If it is PROGRESS_URL that is wrong, and the reporter is not
                strict, that is logged, and nothing is reported.
        """
        self.host = (host if host is not None else _host())[:100]
        self.flush_timeout = flush_timeout
        self._address: Address | None = None
        try:
            self._address = Address.configured(url)
        except ConfigError as error:
            if url is not None or strict:
                raise
            warn("%s (from PROGRESS_URL); nothing is reported", error)
        self._size = spool
        self._directory: Path | None = None
        if spool_dir is not None:
            import pathlib  # noqa: PLC0415 - as dear to load as all the rest of this package

            self._directory = pathlib.Path(spool_dir)
        self._strict = strict
        self._told = Warned()
        self._background: Background | None = None
        self._begin()
        mind(self)

    def _begin(self) -> None:
        """Begin with nothing to say: at first, and in a forked child."""
        self._starting = threading.RLock()
        self._inbox = Inbox(self._size, self._wake)
        self._background = None
        self._refusal: Refused | None = None
        self._closed = self._left = False

    @property
    def url(self) -> str | None:
        """Where it reports to; None for nowhere, as PROGRESS_URL is wrong."""
        return self._address.url if self._address else None

    # ------------------------------------------------------------------ reporting

    def report(self, said: Event | dict[str, Any]) -> None:
        """Report an event, or one of B's messages.

        Raises:
            PhaselineError: The reporter is strict, and the report is wrong or comes after `close`; or an earlier one
                was refused by the server (Refused).
        """
        try:
            self._put(encoded(said))
        except PhaselineError as error:
            self._refuse(said, error)
            if self._strict:
                raise
        if self._refusal is not None:
            self._raise_refusal()

    def _refuse(self, said: Event | dict[str, Any], error: PhaselineError) -> None:
        if isinstance(said, dict):
            kind, job_id = str(said.get("type")), str(said.get("job_id"))
        else:
            kind, job_id = str(getattr(said, "type", "a report")), str(getattr(said, "job_id", ""))
        self._complain(kind, job_id, error.code, f"{kind} of the job {job_id!a} can't be reported: {error}")
        if kind in _ENDS and not self._closed:
            # Whatever is wrong with its result: the job is over, and must not seem active for ever.
            with contextlib.suppress(PhaselineError):
                self._put(bare_end(kind, job_id, str(error)))

    def _put(self, record: Record) -> None:
        if self._closed:
            raise Refused(f"{self.url} is closed; report before that")
        if self._address is not None:
            self._inbox.put(record)
            if self._background is None:
                self._start()

    def watch(self, job_id: str, sample: Callable[[], Sample | None] | None) -> Callable[[], Sample | None] | None:
        """Have a job's progress looked at by `sample`, or no longer; return by what it was looked at before.

        Args:
            job_id: The job.
            sample: Returns phase, percent (or None) and a line for people; or None for nothing new. The background
                thread calls it about ten times a second while there is a server to tell. It must not wait.
        """
        return self._inbox.watch(job_id, sample)

    def _start(self) -> None:
        # Here, as a program that loads us may never report.
        from phaseline.reporting.delivery.background import Background  # noqa: PLC0415
        from phaseline.reporting.delivery.outbox import Outbox  # noqa: PLC0415

        with self._starting:
            if self._background is not None or self._address is None:
                return
            own = Outbox.own(f"{self.host[:60]}-{os.getpid()}-{os.urandom(6).hex()}", self._size, self._directory)
            self._background = background = Background(self._address, self._inbox, own, self._directory, self)
            try:
                background.start()
            except RuntimeError as error:
                self._background = None
                self._complain("start", "", "", f"no thread to report from: {error}; it is tried again later")
                return
        finish_in_child()

    def _wake(self) -> None:
        if self._background is not None:
            self._background.wake()

    def job(
        self,
        name: str,
        *,
        phases: Iterable[str] = (),
        workflow: str | None = None,
        series: str = "",
        info: dict[str, Any] | None = None,
        job_id: str | None = None,
    ) -> JobReporter:
        """Return a job to report, which begins with its `with` block.

        Args:
            name: What people see.
            phases: Its phases in order; any that are not among them are added as they appear.
            workflow: The name under which durations are learned, `custom` by default; `photo` for B's eight phases.
            series: Jobs of one workflow that take similarly long share a series.
            info: What is known of what is worked on.
            job_id: By default the name, made unique.
        """
        line = " ".join(name.split()) or "job"
        started = JobStarted(
            job_id=job_id if job_id is not None else f"{line[:150]}-{os.urandom(4).hex()}",
            photo_id=line[:200],
            photo_info=info or {},
            workflow=workflow or "custom",
            phases=tuple(phases),
            series=series,
            host=self.host,
        )
        return JobReporter(self, started)

    # ------------------------------------------------------------------ what comes back

    def refused(self, record: Record, code: str, text: str) -> None:
        """Take in that the server did not take a record; called by the background thread."""
        self._refusal = Refused(f"the server refused {record.kind} of the job {record.job_id!a} ({code}): {text}")
        self._complain(record.kind, record.job_id, code, str(self._refusal))

    def dropped(self, count: int) -> None:
        """Take in that so many records were dropped, all in all; called by the background thread."""
        self._complain("dropped", "", "", f"{count} reports were dropped so far: more than {self._size} wait")

    def _complain(self, kind: str, job_id: str, code: str, text: str) -> None:
        if self._told.once(kind, job_id, code):
            warn("%s", text)

    def _raise_refusal(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is not None and self._strict:
            raise refusal

    # ------------------------------------------------------------------ ending

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was reported is delivered, at most `timeout` seconds; say whether it is.

        Raises:
            Refused: The reporter is strict, and the server refused something.
        """
        delivered = self._flush(self.flush_timeout if timeout is None else timeout, impatient=False)
        self._raise_refusal()
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
        """Deliver what is left, within the limit, and end the connection. Reports that come later are not taken.

        Raises:
            Refused: The reporter is strict, and the server refused something.
        """
        self._close(self.flush_timeout)
        self._raise_refusal()

    def _close(self, timeout: float, *, process_ends: bool = False) -> None:
        if self._closed:
            return
        self._left = not self._flush(timeout, impatient=True)
        self._closed = True
        if self._background is not None:
            self._background.stop(_END_S, process_ends=process_ends)
        if self._left:
            self._tell_left()

    def _tell_left(self) -> None:
        left = self._background.left() if self._background is not None else []
        jobs = list(dict.fromkeys(left))
        named = ", ".join(f"{job_id!a}" for job_id in jobs[:_MOST_NAMED]) + (", …" if len(jobs) > _MOST_NAMED else "")
        where = f"are left in {self._directory}" if self._directory else "are lost"
        text = f"{len(left)} reports that could not be delivered to {self.url} {where}; jobs: {named}"
        self._complain("left", "", "", text)

    def finish(self, timeout: float, *, close: bool) -> None:
        """Deliver what is left within `timeout` seconds, as the process ends."""
        if close:
            self._close(timeout, process_ends=True)
        elif not self._flush(timeout, impatient=True):
            self._tell_left()

    def begin_again(self) -> None:
        """Leave to the parent what is the parent's: this is a forked child."""
        if self._background is not None:
            self._background.let_go()
        self._begin()

    async def aflush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as `flush`
        """Do as `flush` does, in an asyncio or Trio program, without holding it up."""
        return await in_thread(lambda: self.flush(timeout))

    async def aclose(self) -> None:
        """Do as `close` does, in an asyncio or Trio program, without holding it up."""
        await in_thread(self.close)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close it."""
        self._close(self.flush_timeout)
        if kind is None:
            self._raise_refusal()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close it."""
        await in_thread(lambda: self._close(self.flush_timeout))
        if kind is None:
            self._raise_refusal()


def _host() -> str:
    # socket.gethostname() says the same, after loading a lot.
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
