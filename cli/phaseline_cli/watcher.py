"""Report a command's progress, beside the command."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from phaseline.client.address import Address
from phaseline.reporting import Reporter
from phaseline.reporting.worker_facts import Process, this_process
from phaseline_cli.brief_delivery import BriefDelivery
from phaseline_cli.command_job import UNNAMED, CommandJob
from phaseline_cli.inside import Inside
from phaseline_cli.output_delivery import OutputDelivery
from phaseline_cli.run.adapter import Adapter, BadAdapter, load, own_folder
from phaseline_cli.run.command import name_of, program_of, series_of, workflow_of
from phaseline_cli.run.endings import failure
from phaseline_cli.run.facts import input_facts
from phaseline_cli.run.orders import Orders
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import QUIET, End, Reader
from phaseline_cli.run.tee import Tee
from phaseline_cli.run.wait import Ended

_log: Final = logging.getLogger("phaseline")
FLOOD: Final = 4
"""Length of the pause, in parsing times, when output arrives faster than it is parsed; copying needs the GIL."""
MOST_PAUSE_S: Final = 1.0
SILENT_S: Final = 5.0
"""Seconds without a detected phase after which a command is reported in the default phase."""
SLICE: Final = 4096
"""Bytes that are parsed before another thread gets its turn."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The user's options; None: derived from the command."""

    name: str | None = None
    """For people."""
    workflow: str | None = None
    """What durations are learned for."""
    series: str | None = None
    """Group of similar runs."""
    job_id: str | None = None
    queue: str | None = None
    """The queue that started the job."""
    adapter: str | None = None
    """The adapter that reads the output."""
    facts: str | None = None
    """The facts about the command and the machine to send."""
    of_job: str | None = None
    """The job that the command is a phase of; None: the command is its own job."""
    tree: bool = True
    """Whether the programs of a script are phases."""
    output: bool = True
    """Whether the server gets the end of the output."""


class Watcher:
    """A thread that reads what a command prints, and the job that it reports."""

    ended: Ended | None = None
    """How the command ended; set before the end of the `with` block."""

    def __init__(
        self,
        tee: Tee,
        argv: Sequence[str],
        wishes: Wishes,
        *,
        pid: int = 0,
        orders: Orders | None = None,
        verbose: bool = False,
    ) -> None:
        """Prepare to watch.

        Args:
            tee: The command's output.
            argv: The command.
            wishes: The user's options.
            pid: The command's process; 0 if it is unknown.
            orders: Receives the users' orders; None: orders are not accepted.
            verbose: Whether to print warnings about the server on standard error.
        """
        self._verbose = verbose
        self._tee = tee
        self._reader = Reader(usable_adapters(), argv, wishes.adapter)
        self._reporter = Reporter(worker_facts=wishes.facts)
        self._reporter.brief = BriefDelivery(tee.ended)
        known = self._reader.adapter
        phases = known.phases if known is not None else ()
        self._job = self._reporter.job(
            wishes.name or name_of(argv),
            phases=phases,
            workflow=wishes.workflow or (known.name if known is not None else workflow_of(argv)),
            series=series_of(argv) if wishes.series is None else wishes.series,
            job_id=wishes.of_job or wishes.job_id,
            worker=self._reporter.identity.facts(_process(argv, pid)),
            info=input_facts(argv) if (sends := self._reporter.identity.sends("command")) else None,
            **_handlers(None if wishes.of_job else orders),
        )
        self._output: OutputDelivery | None = None
        self._queue = wishes.queue
        self._phase_of = None if wishes.of_job is None else wishes.name or program_of(argv)
        if wishes.output and self._reporter.url is not None and self._phase_of is None:
            self._output = OutputDelivery(self._job.job_id, Address.configured(None))
        self._inside = Inside(pid if wishes.tree else 0, self._reader, tee.begun)
        self._command = CommandJob(self._reporter, self._job, phases)
        self._facts = None if wishes.of_job is not None or not sends else dict[str, float]()
        """The reported facts found in the output; None if facts are not reported."""
        self._unreadable = False
        self._waits = False
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> Self:
        """Start the job, and read."""
        if not self._verbose:
            _log.addHandler(logging.NullHandler())  # logging would write to the command's streams
        if self._phase_of is None:
            if self._queue is not None:
                self._job.queue(self._queue)  # a job that did not wait was not reported as queued
            self._job.__enter__()
        else:
            self._job.progress(None, "", phase=self._phase_of)
        if self._output is not None:
            self._output.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read to the end, report it, and wait a moment for its delivery."""
        self._thread.join()
        if self.ended is not None:
            self._report_end(self.ended)
        self._reporter.close()
        if self._output is not None:
            self._output.finish()

    def _watch(self) -> None:
        tee, lost, spent = self._tee, 0, 0.0
        known = self._reader.adapter
        if known is not None and known.begin:  # other adapters may guess a phase that the first lines then correct
            self._report(self._reader.progress.now)
        while not tee.at_end:
            tee.more.wait(QUIET)
            if tee.lost > lost:
                tee.ended.wait(min(FLOOD * spent, MOST_PAUSE_S))
            if self._inside.look() or (self._waits and not self._inside.waits()):
                self._report(self._reader.progress.now)
            self._begin_silent(time.monotonic() - tee.begun)
            taken = tee.take()
            if tee.lost > lost and self._output is not None:
                self._output.skip(tee.lost - lost)
            lost = tee.lost
            begun = time.monotonic()
            self._read(taken)
            spent = time.monotonic() - begun
        if self._waits:
            self._report(self._reader.progress.now)

    def _begin_silent(self, age: float) -> None:
        """Report the default phase for a command without output; otherwise its duration could not be learned."""
        is_silent = age >= SILENT_S and not self._command.has_begun and self._reader.adapter is None
        if is_silent and self._phase_of is None and not self._inside.is_script:
            self._command.begin(UNNAMED, age)

    def _read(self, taken: Sequence[tuple[float, str, bytes]]) -> None:
        """Read output. An error, for example of a user's adapter, must not appear in the command's streams."""
        if self._output is not None:
            for _, stream, data in taken:
                if stream != "side":
                    self._output.add(stream, data)
        if self._unreadable:
            return
        try:
            self._read_progress(taken)
        except Exception:  # noqa: BLE001 - an adapter can raise anything
            self._give_up()

    def _give_up(self) -> None:
        self._unreadable = True
        _log.exception("can't read progress from the command's output any more; check your own adapters")

    def _read_progress(self, taken: Sequence[tuple[float, str, bytes]]) -> None:
        reader = self._reader
        for at, stream, data in taken:
            for begin in range(0, len(data), SLICE):
                for _, now in reader.feed(at, stream, data[begin : begin + SLICE]):
                    self._report(now)
                self._report_facts(reader.progress.facts)
                time.sleep(0)
        if not taken:
            for _, now in reader.quiet(reader.last + QUIET):
                self._report(now)

    def _report_facts(self, found: dict[str, float]) -> None:
        if self._facts is not None and found != self._facts:
            self._facts = found
            self._job.info(**found)

    def _report(self, now: Reading) -> None:
        if self._inside.muted:
            return
        self._waits = self._inside.waits() and not self._tee.at_end
        if self._waits:
            return
        now = self._inside.of_script(now)
        if self._phase_of is not None:
            text = f"{now.phase}: {now.text}" if now.phase and now.text else now.text or now.phase or ""
            fraction = now.run if now.run is not None or now.phase else now.fraction
            now = Reading(self._phase_of, fraction, None, now.done, now.total, now.unit, text)
        self._command.report(now)

    def _end(self, ended: Ended) -> End:
        if not self._unreadable:
            try:
                return self._reader.end(ended.code, interrupted=ended.interrupted)
            except Exception:  # noqa: BLE001 - as above
                self._give_up()
        return Reader({}).end(ended.code, interrupted=ended.interrupted)

    def _report_end(self, ended: Ended) -> None:
        end = self._end(ended)
        if ended.unwritten:
            end = replace(end, error=ended.unwritten)
        if self._phase_of is None and ended.cancelled is not None:
            self._command.cancel(ended.cancelled or "cancelled")
        elif self._phase_of is None:
            self._command.end(ended.code, end, timed_out=ended.timed_out)
        elif end.outcome == "ok":
            self._job.complete(self._phase_of)
        else:
            text = failure(ended.code, end.error, timed_out=ended.timed_out)
            self._job.error("CommandFailed", f"{self._phase_of}: {text}")


def _handlers(orders: Orders | None) -> dict[str, Any]:
    if orders is None:
        return {}
    return {
        "on_cancel": partial(orders.give, "cancel"),
        "on_pause": partial(orders.give, "pause"),
        "on_resume": partial(orders.give, "resume"),
    }


def _process(argv: Sequence[str], pid: int) -> Process:
    """Return the command's process, which has our user and began in our directory."""
    return this_process()._replace(argv=argv, pid=pid, python="", program=Path(argv[0]).name)


def usable_adapters() -> dict[str, Adapter]:
    """Return all adapters; an invalid user adapter must not stop the command."""
    try:
        return dict(load(own_folder()))
    except BadAdapter:
        return dict(load())
