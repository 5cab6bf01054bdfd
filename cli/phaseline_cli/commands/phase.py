"""`phaseline phase`: report that a job is in a phase."""

import click

from phaseline_cli.client.current_phase import remember
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import JOB, job_id_of, name_of, report_options, text_of


@click.command("phase")
@click.argument("words", nargs=-1, required=True, metavar="[ID] NAME", type=JOB)
@click.option("-m", "--message", metavar="TEXT", default="", help="Message.")
@report_options
def phase_command(words: tuple[str, ...], *, message: str, url: str | None, strict: bool, quiet: bool) -> None:
    """Report that a job is in the phase NAME. This ends the phase before it.

    A single word is the NAME, and the job is that in PROGRESS_JOB.

    \b
        phaseline phase render
        phaseline phase shot-13 render -m "warming up"
    """  # noqa: D301 - click reads the backspace
    *ids, name = words
    if len(ids) > 1:
        raise click.UsageError(f"{len(words)} arguments; allowed: [ID] NAME")
    job, name = job_id_of(ids[0] if ids else None), name_of(name, "the phase")
    report = {"type": "job_progress", "job_id": job, "stage": name, "message": text_of(message)}
    send(report, url, strict=strict, quiet=quiet)
    remember(job, name)
