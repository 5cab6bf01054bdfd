"""`phaseline done`: end a job as completed."""

import click

from phaseline_cli.client.current_phase import forget
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import JOB, job_id_of, report_options


@click.command("done")
@click.argument("job_id", metavar="[ID]", required=False, type=JOB)
@report_options
def done_command(job_id: str | None, *, url: str | None, strict: bool, quiet: bool) -> None:
    """End a job as completed, by default the one in PROGRESS_JOB.

    \b
        phaseline done shot-13
    """  # noqa: D301 - click reads the backspace
    job = job_id_of(job_id)
    send({"type": "job_completed", "job_id": job}, url, strict=strict, quiet=quiet)
    forget(job)
