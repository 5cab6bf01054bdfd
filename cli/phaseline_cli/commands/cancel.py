"""`phaseline cancel`: end a job as cancelled."""

import click

from phaseline_cli.client.current_phase import forget
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import JOB, job_id_of, report_options, text_of


@click.command("cancel")
@click.argument("job_id", metavar="[ID]", required=False, type=JOB)
@click.option("-m", "--message", metavar="TEXT", default="", help="Reason. [cancelled]")
@report_options
def cancel_command(job_id: str | None, *, message: str, url: str | None, strict: bool, quiet: bool) -> None:
    """Record that a job is cancelled, by default the one in PROGRESS_JOB.

    This is a report, as `done` and `fail` are: the server records the end. It does not stop the job's program; if that
    still runs, the server rejects its further reports.
    """
    job = job_id_of(job_id)
    reason = {"reason": text_of(message)} if message else {}
    send({"type": "job_cancelled", "job_id": job, **reason}, url, strict=strict, quiet=quiet)
    forget(job)
