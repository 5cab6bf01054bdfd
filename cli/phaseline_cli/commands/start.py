"""`phaseline start`: start a job, and print its id."""

import os
import re

import click

from phaseline.client.facts import chosen
from phaseline.errors import ConfigError
from phaseline_cli.client.current_phase import forget_old, remember
from phaseline_cli.client.failures import note
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import job_id_of, name_of, report_options

_ODD = re.compile(r"[^\w.-]+")
_MOST_NAME = 200
_MOST_PHASES = 500


@click.command("start")
@click.argument("name")
@click.option("--phases", metavar="A,B", default="", help="Phases in order; others are added when reported.")
@click.option("--workflow", metavar="NAME", help="Kind of job, for which durations are learned. [custom]")
@click.option("--series", metavar="NAME", help="Group of similar runs. [none]")
@click.option("--host", metavar="NAME", help="Machine that does the job. [this machine's host name]")
@click.option("--id", "job_id", metavar="ID", help="The job's id. [the name and a random suffix]")
@click.option(
    "--queued", is_flag=True, help="Report the job as waiting; to start it, run start again with the same --id."
)
@click.option("--queue", metavar="NAME", help="Queue in which it waits, or from which it starts. [none]")
@click.option("--position", type=click.IntRange(1), metavar="N", help="Place in the queue, with --queued.")
@report_options
def start_command(  # noqa: PLR0913 - one per option
    name: str,
    *,
    phases: str,
    job_id: str | None,
    queued: bool,
    position: int | None,
    url: str | None,
    strict: bool,
    quiet: bool,
    **labels: str | None,
) -> None:
    """Start a job, and print its id.

    Only the id is printed on standard output:

    \b
        export PROGRESS_JOB=$(phaseline start "shot 13" --phases load,render)
        phaseline report 42 --phase render
        phaseline done

    While the server is down, the report is stored and a later command delivers it.
    """  # noqa: D301 - click reads the backspace
    name = name_of(name, "the name", _MOST_NAME)
    listed = [name_of(phase.strip(), "a phase") for phase in phases.split(",") if phase.strip()]
    if len(set(listed)) < len(listed) or len(listed) > _MOST_PHASES:
        raise click.UsageError(f"--phases is {phases!a}; allowed: each name once, at most {_MOST_PHASES}")
    job = f"{_ODD.sub('-', name)[:150]}-{os.urandom(4).hex()}" if job_id is None else job_id_of(job_id)
    labels["host"] = labels["host"] or _host()
    given = {key: name_of(value, f"--{key}") for key, value in labels.items() if value}
    forget_old()
    if position is not None and not queued:
        raise click.UsageError("--position is for --queued; leave it out, or add --queued")
    kind, place = ("job_queued", {"position": position}) if queued else ("job_started", {})
    report = {"type": kind, "job_id": job, "name": name, "phases": listed, **given, **place}
    send(report, url, strict=strict, quiet=quiet)
    remember(job, listed[0] if listed else "work")
    click.echo(job)


def _host() -> str:
    """Return this machine's name, unless PROGRESS_FACTS leaves it out."""
    try:
        facts = chosen(None, os.environ.get("PROGRESS_FACTS"))
    except ConfigError as error:
        note(f"the host is not sent: {error}")
        return ""
    return os.uname().nodename[:100] if "host" in facts else ""
