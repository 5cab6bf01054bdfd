"""`phaseline report`: report a job's progress."""

import re
from typing import Any, Final

import click

from phaseline_cli.client.connection import Away, connect
from phaseline_cli.client.current_phase import phase_of, remember
from phaseline_cli.client.failures import Failure
from phaseline_cli.client.reports import send
from phaseline_cli.commands.options import JOB, job_id_of, name_of, report_options, text_of

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?%?", re.ASCII)
_WHOLE: Final = 100.0
_MOST_UNIT: Final = 40
_MOST_COUNT: Final = 1e18


@click.command("report")
@click.argument("words", nargs=-1, metavar="[ID] [PERCENT]", type=JOB)
@click.option("--job", "job_id", metavar="ID", type=JOB, help="The job, if its id is a number. [PROGRESS_JOB]")
@click.option("--done", type=float, metavar="N", help="Number of units that are done, in place of PERCENT.")
@click.option("--total", type=float, metavar="N", help="Number of units of the phase. It may grow.")
@click.option("--unit", metavar="NAME", help="Name of a unit, such as frames.")
@click.option("--phase", metavar="NAME", help="The phase. [the last one reported]")
@click.option("-m", "--message", metavar="TEXT", default="", help="Message.")
@report_options
def report_command(
    words: tuple[str, ...],
    *,
    job_id: str | None,
    phase: str | None,
    message: str,
    url: str | None,
    strict: bool,
    quiet: bool,
    **count: Any,
) -> None:
    """Report a job's progress, as a percentage of the phase or as a count.

    \b
        phaseline report 42                      42 % of the current phase
        phaseline report shot-13 42              the same, for the job shot-13
        phaseline report --done 3 --total 9      a count
        phaseline report shot-13 -m "warming up" a message without progress

    A single argument is PERCENT if it is a number and --done is not given; otherwise, it is the ID. Two arguments are
    the ID and PERCENT.
    """  # noqa: D301 - click reads the backspace
    job, percent = _parsed(words, job_id, has_count=count["done"] is not None)
    fields: dict[str, Any] = {"progress": percent} if percent is not None else _count(**count)
    job = job_id_of(job)
    stage = (phase_of(job) or _asked(job, url)) if phase is None else name_of(phase, "--phase")
    if message:
        fields["message"] = text_of(message)
    send({"type": "job_progress", "job_id": job, "stage": stage, **fields}, url, strict=strict, quiet=quiet)
    if phase is not None:
        remember(job, stage)


def _parsed(words: tuple[str, ...], job_id: str | None, *, has_count: bool) -> tuple[str | None, float | None]:
    """Return the job's id and the percentage, None where they are not given."""
    left = list(words)
    most = 2 - has_count - (job_id is not None)
    if len(left) > most:
        raise click.UsageError(f"{left[most]!a} is one argument too many; allowed: [ID] [PERCENT], or [ID] with --done")
    number = None
    if left and not has_count and (len(left) + (job_id is not None) == 2 or _NUMBER.fullmatch(left[0])):  # noqa: PLR2004
        number = left.pop()
        if not _NUMBER.fullmatch(number) or float(number.rstrip("%")) > _WHOLE:
            raise click.UsageError(f"PERCENT is {number!a}; allowed: a number from 0 to 100")
    return job_id or (left[0] if left else None), None if number is None else float(number.rstrip("%"))


def _count(done: float | None, total: float | None, unit: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in (("done", done), ("total", total)):
        if value is None:
            continue
        if not 0 <= value <= _MOST_COUNT:
            raise click.UsageError(f"--{name} is {value:g}; allowed: a number from 0 to 10^18")
        fields[name] = int(value) if value.is_integer() else value
    if done is None and total is not None:
        raise click.UsageError("--total is given without --done; add --done")
    if unit:
        fields["unit"] = name_of(unit, "--unit", _MOST_UNIT)
    return fields


def _asked(job: str, url: str | None) -> str:
    """Return the current phase as the server knows it; `work` if that is not known."""
    try:
        with connect(url) as connection:
            status = connection.job(job)
    except (Away, Failure):
        return "work"
    phase = str(status.get("current_stage") or (status.get("stages") or [{"name": ""}])[0]["name"] or "work")
    remember(job, phase)
    return phase
