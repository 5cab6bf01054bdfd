"""`phaseline resume`: order a job's worker to resume the job."""

import click

from phaseline_cli.client.orders import give_or_fail
from phaseline_cli.commands.options import JOB, job_id_of, server_options, text_of


@click.command("resume")
@click.argument("job_id", metavar="ID", type=JOB)
@click.option("-m", "--message", metavar="TEXT", default="", help="Reason. [none]")
@click.option("-q", "--quiet", is_flag=True, help="Print no notes.")
@server_options
def resume_command(job_id: str, *, message: str, url: str | None, quiet: bool) -> None:
    """Order a job's worker to continue a paused job.

    \b
        phaseline resume shot-13
    """  # noqa: D301 - click reads the backspace
    give_or_fail(job_id_of(job_id), "resume", text_of(message), url, quiet=quiet)
