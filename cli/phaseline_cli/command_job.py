"""The job of a command: its progress as it is read, and how the command ended."""

from collections.abc import Sequence
from typing import Final

from phaseline.model.events import JobCancelled, JobCompleted, JobFailed, JobProgress
from phaseline.reporting import Reporter
from phaseline.reporting.job import JobReporter
from phaseline_cli.run.endings import failure, signal_name
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import End

UNNAMED: Final = "run"
"""The phase of a command that names none."""


class CommandJob:
    """Reports the progress and the end of a command's job."""

    def __init__(self, reporter: Reporter, job: JobReporter, phases: Sequence[str] = ()) -> None:
        """Prepare to report a job.

        Args:
            reporter: The reporter of `job`.
            job: The job.
            phases: The phases known in advance. Progress before the first reported phase belongs to the first of these.
        """
        self._reporter = reporter
        self._job = job
        self._first = phases[0] if phases else UNNAMED
        self._phase: str | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a phase has been reported."""
        return self._phase is not None

    def begin(self, phase: str, age: float) -> None:
        """Report that the job has been in a phase for `age` seconds; only phases have durations to learn."""
        self._phase = phase
        self._reporter.report(JobProgress(job_id=self._job.job_id, phase=phase, age_seconds=age))

    def report(self, now: Reading) -> None:
        """Report the present progress."""
        if self._phase is not None and now.phase not in (None, self._phase):
            self._job.complete(self._phase)
        self._phase = now.phase or self._phase or self._first
        counted = now.done is not None and now.unit != "time"
        self._job.progress(
            None if now.fraction is None else now.fraction * 100,
            now.text,
            phase=self._phase,
            done=now.done if counted else None,
            total=now.total if counted else None,
            unit=now.unit if counted else "",
        )

    def end(self, code: int, end: End, *, timed_out: bool = False) -> None:
        """Report the end.

        Args:
            code: The exit code, or the negative number of the signal that ended the command.
            end: How the run ended, as its output shows it.
            timed_out: Whether it was ended because it took too long.
        """
        text = failure(code, end.error, timed_out=timed_out)
        result: dict[str, int | str] = {"exit_code": code if code >= 0 else 128 - code}
        if code < 0:
            result["signal"] = signal_name(-code)
        if end.outcome == "ok" and not timed_out:
            self._reporter.report(JobCompleted(job_id=self._job.job_id, result=result))
        elif end.outcome == "cancelled" and not timed_out:
            self.cancel(text)
        else:
            self._job.error("CommandFailed", text)
            self._reporter.report(JobFailed(job_id=self._job.job_id, result={**result, "error": text}))

    def cancel(self, reason: str) -> None:
        """Report that the job ends without an outcome."""
        self._reporter.report(JobCancelled(job_id=self._job.job_id, reason=reason))
