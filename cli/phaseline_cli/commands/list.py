"""`phaseline list`: list jobs."""

import json
import shutil
import sys
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

import click

from phaseline.filtering import Filter
from phaseline_cli.client.connection import Away, Connection, connect
from phaseline_cli.client.failures import Exit, Failure, note
from phaseline_cli.client.list_query import ListQuery, query_of
from phaseline_cli.client.listed import ListedJob
from phaseline_cli.client.words import STYLES, UNKNOWN, duration, percent_of, state_word
from phaseline_cli.commands.options import server_options

_PAGE: Final = 1000
_LEAST_PAGE: Final = 100
_TITLES: Final = ("ID", "STATE", "DONE", "LEFT", "TIME", "PHASE", "NAME")
_LEAST_NAME: Final = 10


@click.command("list")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--filter", "text", metavar="TEXT", default="", help="Additional WORDs, in one argument.")
@click.option(
    "--since", metavar="TIME", help="Only jobs that ended since TIME: today, yesterday, 7d, 12h, 30m, RFC 3339."
)
@click.option("--limit", type=click.IntRange(1), default=100, metavar="N", help="Maximum number of jobs. [100]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of the jobs' statuses.")
@click.option("--jsonl", is_flag=True, help="Print one JSON object per line.")
@server_options
def list_command(
    words: tuple[str, ...],
    *,
    text: str,
    since: str | None,
    limit: int,
    as_json: bool,
    jsonl: bool,
    url: str | None,
) -> None:
    """List the stored jobs: unfinished jobs first, then ended ones, the last to end first.

    The WORDs are a filter, as in the terminal view. A job must match all of them. ! before a word excludes the jobs
    that match it. field: searches one field, /…/ is a regular expression, and "…" is a text with spaces. A word without
    a field is a state, or part of a name, id, workflow, series or host.

    \b
        phaseline list render '!done'
        phaseline list 'host:box2' 'name:/IMG_00[45]/'

    Fields: state, phase, host, name, workflow, series, message, id, server.
    """  # noqa: D301 - click reads the backspace
    if as_json and jsonl:
        raise click.UsageError("--json and --jsonl can't be combined; leave out one")
    chosen = Filter(whole := " ".join((*words, text)))
    if chosen.problem:
        raise click.UsageError(chosen.problem)
    try:
        with connect(url) as connection:
            found = [*_found(connection, query_of(whole), since, limit + 1)]
    except Away as error:
        raise Failure(str(error), Exit.NO_SERVER) from error
    jobs = found[:limit]
    if as_json:
        click.echo(json.dumps([job.status for job in jobs], indent=2))
    elif jsonl:
        for job in jobs:
            click.echo(json.dumps(job.status))
    else:
        _print_table(jobs)
    if len(found) > limit:
        note(f"{limit} jobs shown; more match, raise --limit")
    elif not found:
        note(chosen.hint or "no job matches")


def _found(connection: Connection, wanted: ListQuery, since: str | None, most: int) -> Iterator[ListedJob]:
    """Yield the jobs that match, page by page, at most `most` of them."""
    query: dict[str, Any] = {"state": "all", "dismissed": "0", **wanted.parameters}
    # The local filter drops jobs of a page, so pages are a little larger than needed.
    query["limit"] = min(max(_LEAST_PAGE, 2 * most) if wanted.rest else most, _PAGE)
    if since is not None:
        query["since"] = since
    count = 0
    while True:
        page = connection.read("GET", f"/progress/jobs?{urlencode(query)}")
        for job in (ListedJob(status, connection.address.authority) for status in page["jobs"]):
            if wanted.rest.keeps(job):
                yield job
                count += 1
                if count == most:
                    return
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]
        query["limit"] = min(2 * query["limit"], _PAGE)


def _print_table(jobs: list[ListedJob]) -> None:
    if not jobs:
        return
    rows = [_TITLES, *map(_row, jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES) - 1)]
    room = None
    if sys.stdout.isatty():
        room = max(_LEAST_NAME, shutil.get_terminal_size().columns - sum(widths) - 2 * len(widths))
    for row, job in zip(rows, (None, *jobs), strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        cells[1] = click.style(cells[1], fg=None if job is None else STYLES.get(str(job.state)))
        click.echo("  ".join((*cells, row[-1][:room])).rstrip())


def _row(job: ListedJob) -> tuple[str, ...]:
    status = job.status
    state = str(status.get("state"))
    return (
        job.job_id,
        state_word(status),
        percent_of(status),
        duration(status.get("eta_seconds")) if state == "active" else "",
        duration(status.get("duration") if status.get("completed_at") else status.get("elapsed_seconds")),
        job.phase_name or UNKNOWN,
        job.name,
    )
