"""`phaseline fail`: end a job as failed."""

import click

from phaseline_cli.client.current_phase import forget
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import JOB, job_id_of, report_options, text_of


@click.command("fail")
@click.argument("job_id", metavar="[ID]", required=False, type=JOB)
@click.option("-m", "--message", metavar="TEXT", default="", help="What went wrong.")
@report_options
def fail_command(job_id: str | None, *, message: str, url: str | None, strict: bool, quiet: bool) -> None:
    """End a job as failed, by default the one in PROGRESS_JOB.

    \b
        phaseline fail shot-13 -m "disk full"
    """  # noqa: D301 - click reads the backspace
    job = job_id_of(job_id)
    result = {"error": text_of(message)} if message else {}
    send({"type": "job_failed", "job_id": job, "result": result}, url, strict=strict, quiet=quiet)
    forget(job)
