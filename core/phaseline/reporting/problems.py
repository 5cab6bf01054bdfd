"""The problems of a reporter: each kind is logged once per job, and a strict reporter raises what was rejected."""

from collections.abc import Sequence
from typing import Any, Final

from phaseline.client.notes import Warned, warn
from phaseline.errors import Refused, shown
from phaseline.model.events import Event, JobStarted
from phaseline.reporting.record import Record, bare_end, bare_start
from phaseline.reporting.values import text_of

__all__ = ["Problems"]

_ENDS: Final = frozenset({"job_completed", "job_failed", "job_cancelled"})
_MOST_NAMED: Final = 5


class Problems:
    """The problems of one reporter, for its log. It is safe to use from any thread.

    Attributes:
        rejection: The server's latest rejection, for a strict reporter.
    """

    def __init__(self, spool: int) -> None:
        """Start without problems, for a reporter that stores `spool` reports."""
        self.rejection: Refused | None = None
        self._spool = spool
        self._warned = Warned()

    def log(self, kind: str, job_id: str, code: str, text: str) -> None:
        """Log a problem, unless one of the same kind, job and code was logged before."""
        if self._warned.once(kind, job_id, code):
            warn("%s", text)

    def invalid(self, report: Event | dict[str, Any], error: Exception) -> Record | None:
        """Log that a report is invalid. Return a replacement: a start or an end without the invalid part.

        Raises:
            PhaselineError: That is invalid, too.
        """
        if isinstance(report, dict):
            kind, job_id = text_of(report.get("type"), 100), report.get("job_id")
        else:
            kind, job_id = text_of(getattr(report, "type", "a report"), 100), getattr(report, "job_id", "")
        text = f"{kind} of the job {shown(job_id)} is not reported: {error}"
        self.log(kind, text_of(job_id, 200), getattr(error, "code", ""), text)
        # Without a start or an end, all other reports of the job would be rejected, or it would stay active.
        if kind in _ENDS:
            return bare_end(kind, text_of(job_id), str(error))
        return bare_start(report, str(error)) if isinstance(report, JobStarted) else None

    def rejected(self, record: Record, code: str, text: str) -> None:
        """Log that the server rejected a record."""
        self.rejection = Refused(f"the server rejected {record.kind} of the job {record.job_id!a} ({code}): {text}")
        self.log(record.kind, record.job_id, code, str(self.rejection))

    def dropped(self, count: int) -> None:
        """Log that records were dropped, with their total number."""
        self.log("dropped", "", "", f"{count} reports dropped so far; at most {self._spool} are kept (spool)")

    def undelivered(self, job_ids: Sequence[str], url: str | None, directory: object, problem: str) -> None:
        """Log that reports could not be delivered.

        Args:
            job_ids: The jobs of the reports.
            url: The server's address.
            directory: The directory that stores them, or None.
            problem: Why the directory does not store them, or "".
        """
        jobs = list(dict.fromkeys(job_ids))
        named = ", ".join(f"{job_id!a}" for job_id in jobs[:_MOST_NAMED]) + (", …" if len(jobs) > _MOST_NAMED else "")
        where = f"are left in {directory}; the next run that reports to this server delivers them"
        if problem or not directory:
            where = f"are lost ({problem})" if problem else "are lost (no spool_dir)"
        text = f"{len(job_ids)} reports could not be delivered to {url} and {where}; jobs: {named}"
        self.log("left", "", "", text)
