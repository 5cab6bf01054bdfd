"""The permissions of a client. Every permission check ends here."""

from enum import StrEnum
from typing import Final

import msgspec

from phaseline.errors import UnknownJob, shown
from phaseline.model.workflows import PICTURES, makes_pictures, reserved_for_pictures
from phaseline_server.errors import Forbidden

__all__ = ["OPEN", "Grant", "Scope"]


class Scope(StrEnum):
    """The scope of a token."""

    READ = "read"
    REPORT = "report"
    ADMIN = "admin"


class Grant(msgspec.Struct, frozen=True):
    """The permissions of one token, or of every client while no token exists.

    Attributes:
        scope: `read` may read jobs, `report` may report them, `admin` may do everything.
        prefix: Only jobs whose id has this prefix may be read or reported; "" for all.
        token: The token's id, or "". The id may be logged; the token itself must not be.
        job: The only job that may be read, for the holder of a link; None for others.
    """

    scope: Scope
    prefix: str = ""
    token: str = ""
    job: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it has scope `admin`, possibly limited to a prefix."""
        return self.scope is Scope.ADMIN

    @property
    def reads(self) -> bool:
        """Whether its scope allows reading."""
        return self.scope is not Scope.REPORT

    @property
    def reads_all(self) -> bool:
        """Whether every job may be read, and so the totals of all jobs."""
        return self.reads and not self.prefix and self.job is None

    @property
    def reports(self) -> bool:
        """Whether its scope allows reporting."""
        return self.scope is not Scope.READ

    def may_read(self, job_id: str) -> bool:
        """Return whether the job may be read. "" stands for data about no job, which a prefix hides."""
        if self.job is not None:
            return job_id == self.job
        return self.reads and job_id.startswith(self.prefix)

    def may_report(self, job_id: str, workflow: str | None = None) -> bool:
        """Return whether the job may be reported. Picture runs may only be reported with scope `admin`."""
        pictures = makes_pictures(workflow) or reserved_for_pictures(job_id)
        return self.reports and job_id.startswith(self.prefix) and (self.is_admin or not pictures)

    def check_read(self, job_id: str) -> None:
        """Check that the job may be read.

        Raises:
            Forbidden: The scope does not allow reading.
            UnknownJob: The job is outside the prefix. The error does not reveal whether it exists.
        """
        self.check_reads()
        if not self.may_read(job_id):
            raise UnknownJob(job_id)

    def check_reads(self) -> None:
        """Raise Forbidden if the scope does not allow reading."""
        if not self.reads:
            raise Forbidden(f"token scope {self.scope} does not allow reading; allowed: scope read or admin")

    def check_reads_all(self) -> None:
        """Raise Forbidden unless every job may be read."""
        self.check_reads()
        if not self.reads_all:
            raise Forbidden(
                "the token allows reading some jobs only; allowed: scope read or admin without a job prefix"
            )

    def check_report(self, job_id: str, workflow: str | None = None) -> None:
        """Raise Forbidden unless the job may be reported."""
        if self.may_report(job_id, workflow):
            return
        if not self.reports:
            raise Forbidden(f"token scope {self.scope} does not allow reporting; allowed: scope report or admin")
        if not job_id.startswith(self.prefix):
            raise Forbidden(
                f"the token does not allow reporting job {shown(job_id)}; allowed: ids that begin with {self.prefix!a}"
            )
        raise Forbidden(
            f"the token does not allow reporting job {shown(job_id)} of workflow {PICTURES.name}; allowed: scope admin"
        )

    def check_orders(self, job_id: str) -> None:
        """Raise Forbidden unless the job's worker may be given orders, which stop its program.

        A token that reports all jobs is that of many workers, so it stops none of them.
        """
        if self.reports and not self.is_admin and not self.prefix:
            raise Forbidden(
                f"token scope {self.scope} does not allow giving orders to job {shown(job_id)}; "
                "allowed: scope admin, or scope report with a job prefix"
            )

    def check_link(self, job_id: str, workflow: str | None = None) -> None:
        """Raise Forbidden unless links to the job may be created and revoked.

        A `report` token without a prefix may not, because it could then read every job.
        """
        self.check_report(job_id, workflow)
        if not self.is_admin and not self.prefix:
            raise Forbidden(
                f"token scope {self.scope} without a job prefix does not allow links; "
                "allowed: scope admin, or report with a job prefix"
            )


OPEN: Final = Grant(Scope.ADMIN)
"""The grant of every client while no token exists."""
