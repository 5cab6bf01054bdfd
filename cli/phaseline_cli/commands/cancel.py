"""`phaseline cancel`: stop a job, or record that it is cancelled."""

import os
from typing import Final

import click

from phaseline_cli.client.connection import Away, Connection, Rejected, connect
from phaseline_cli.client.current_phase import forget, phase_of
from phaseline_cli.client.failures import Exit, Failure
from phaseline_cli.client.orders import NOT_STORED, give
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import JOB, job_id_of, report_options, text_of

_NOBODY: Final = frozenset({"TAKES_NO_ORDERS", "WORKER_GONE"})


@click.command("cancel")
@click.argument("job_id", metavar="[ID]", required=False, type=JOB)
@click.option("-m", "--message", metavar="TEXT", default="", help="Reason that users see. [cancelled]")
@click.option("--record", is_flag=True, help="Record the end only; do not stop a running program.")
@report_options
def cancel_command(
    job_id: str | None, *, message: str, record: bool, url: str | None, strict: bool, quiet: bool
) -> None:
    """Cancel a job. Without an ID, record that the job in PROGRESS_JOB is cancelled.

    With another job's ID, its worker gets an order to end it, if it accepts orders: `phaseline run`, `phaseline
    queue`, pictures, and reporters with `on_cancel`. The order is stored, and reaches a worker that reconnects later.
    Jobs of `phaseline start` have no worker, so only their end is recorded.

    \b
        phaseline cancel shot-13 -m "wrong file"
    """  # noqa: D301 - click reads the backspace
    job, reason = job_id_of(job_id), text_of(message)
    own = job_id is None or job == os.environ.get("PROGRESS_JOB")
    if record or own or not _ordered(job, reason, url, quiet=quiet):
        reasons = {"reason": reason} if reason else {}
        send({"type": "job_cancelled", "job_id": job, **reasons}, url, strict=strict, quiet=quiet)
        forget(job)


def _ordered(job: str, reason: str, url: str | None, *, quiet: bool) -> bool:
    """Return whether the job's worker received the order; False if there is no worker, so the end must be recorded.

    Raises:
        Failure: The job's worker takes no orders; or the server is down, and no script on this machine started the job.
    """
    try:
        with connect(url) as connection:
            try:
                give(connection, job, "cancel", reason, quiet=quiet)
            except Rejected as error:
                if error.code == "UNKNOWN_JOB" and phase_of(job) is not None:
                    return False  # its start is stored on this machine, and is delivered with the end
                if error.code not in _NOBODY:
                    raise
                _check_alone(connection, job, error)
                return False
    except Away as error:
        if phase_of(job) is None:
            raise Failure(f"{error}; {NOT_STORED}", Exit.NO_SERVER) from error
        return False
    return True


def _check_alone(connection: Connection, job: str, error: Rejected) -> None:
    """Raise `error`, with advice, if a program works on the job."""
    worker = connection.job(job).get("worker") or {}
    if error.code == "TAKES_NO_ORDERS" and worker.get("pid"):
        where = f" on {worker['host']}" if worker.get("host") else ""
        text = f"{error.message}; end its process {worker['pid']}{where}, or record the end only with --record"
        raise Failure(text) from error
