"""What whoever speaks to the server may do. Every check of a permission ends here."""

from enum import StrEnum
from typing import Final

import msgspec

from phaseline.errors import Forbidden, UnknownJob, shown
from phaseline.model.workflows import DALLE

__all__ = ["OPEN", "Grant", "Scope"]

_PICTURES: Final = f"{DALLE.name}:"  # the ids of the server's own runs begin so


class Scope(StrEnum):
    """What a token is good for."""

    READ = "read"
    REPORT = "report"
    ADMIN = "admin"


class Grant(msgspec.Struct, frozen=True):
    """The permissions of one token, or of everybody while there are no tokens.

    Attributes:
        scope: `read` may see jobs, `report` may report them, `admin` both, and what else there is.
        prefix: Only jobs whose id begins so are seen or reported; "" for all.
        token: The token's id, "" for none. It may be logged, the token may not.
    """

    scope: Scope
    prefix: str = ""
    token: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything, in its prefix."""
        return self.scope is Scope.ADMIN

    @property
    def reads(self) -> bool:
        """Whether it may see anything at all."""
        return self.scope is not Scope.REPORT

    @property
    def reports(self) -> bool:
        """Whether it may report anything at all."""
        return self.scope is not Scope.READ

    def may_read(self, job_id: str) -> bool:
        """Say whether a job may be seen. "" stands for what is about no job: a prefix hides it."""
        return self.reads and job_id.startswith(self.prefix)

    def may_report(self, job_id: str, workflow: str | None = None) -> bool:
        """Say whether a job may be reported. The server's own runs are an admin's alone to tell of."""
        pictures = workflow == DALLE.name or job_id.startswith(_PICTURES)
        return self.reports and job_id.startswith(self.prefix) and (self.is_admin or not pictures)

    def check_read(self, job_id: str) -> None:
        """Raise unless a job may be seen.

        Raises:
            Forbidden: The token is for reports alone.
            UnknownJob: The job is outside the prefix: whether it exists is not told.
        """
        self.check_reads()
        if not self.may_read(job_id):
            raise UnknownJob(job_id)

    def check_reads(self) -> None:
        """Raise Forbidden if the token is for reports alone."""
        if not self.reads:
            raise Forbidden(f"a token of scope {self.scope} can't read; allowed: one of scope read or admin")

    def check_report(self, job_id: str, workflow: str | None = None) -> None:
        """Raise Forbidden unless a job may be reported."""
        if self.may_report(job_id, workflow):
            return
        if not self.reports:
            raise Forbidden(f"a token of scope {self.scope} can't report; allowed: one of scope report or admin")
        if not job_id.startswith(self.prefix):
            raise Forbidden(
                f"the token can't report {shown(job_id)}; allowed: jobs whose id begins with {self.prefix!a}"
            )
        raise Forbidden(f"the token can't report {shown(job_id)} of workflow {DALLE.name}; allowed: one of scope admin")


OPEN: Final = Grant(Scope.ADMIN)
"""Everybody's, while no token has been made."""
