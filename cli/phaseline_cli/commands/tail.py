"""`phaseline tail`: print events as they occur."""

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from phaseline.model.states import STATES
from phaseline.text import one_line
from phaseline_cli.client.connection import Away, Connection, connect
from phaseline_cli.client.events import channels_of, follow
from phaseline_cli.client.failures import Exit, Failure, note
from phaseline_cli.client.words import clock, describe
from phaseline_cli.commands.options import JOB, job_id_of, server_options

_ENDED: Final = frozenset(state for state in STATES if state.ended)
_NOW, _START = "now", "start"


@click.command("tail")
@click.argument("job_id", metavar="[ID]", required=False, type=JOB)
@click.option(
    "--since",
    metavar="POSITION",
    help="First event: after EPOCH/SEQ, start (the oldest stored one) or now. [with an ID: start; otherwise: now]",
)
@click.option("--jsonl", is_flag=True, help="Print the messages of the stream, one JSON object per line.")
@click.option("-o", "--output", is_flag=True, help="Print the output of the job ID, as it comes.")
@server_options
def tail_command(job_id: str | None, *, since: str | None, jsonl: bool, output: bool, url: str | None) -> None:
    """Print the events of the job ID, until it ends; without ID those of all jobs, until you stop it.

    With --output, print the output of the job's program: the stored part, then live.

    After a lost connection, it reconnects and continues without a gap. The POSITION of a JSON message is its `epoch`, a
    slash and its `seq`.

    \b
        phaseline tail shot-13 --output
        phaseline tail --jsonl | jq -r .type
    """  # noqa: D301 - click reads the backspace
    if output:
        _print_output(job_id_of(job_id), url)
        return
    job = None if job_id is None else job_id_of(job_id)
    try:
        with connect(url) as connection:
            status = None if job is None else connection.job(job)
            place = _place(connection, since or (_NOW if job is None else _START))
        end = int(status["seq"]) if status is not None else None
        if status is not None and since == _NOW and status["state"] in _ENDED:
            return
        for event in follow(url, channels_of(() if job is None else (job,)), place):
            if not event.position or event.kind == "snapshot":
                if event.position and place is not None:
                    note("the events after this position are no longer stored; newer ones follow")
                continue
            message = json.loads(event.data)
            if job is not None and message.get("job_id") != job:
                continue
            click.echo(json.dumps(message) if jsonl else _line(message, with_job=job is None))
            if end is not None and message.get("state") in _ENDED and int(message["seq"]) >= end:
                return
    except Away as error:
        raise Failure(str(error), Exit.NO_SERVER) from error


def _print_output(job_id: str, url: str | None) -> None:
    from phaseline_cli.client.output import output_of  # noqa: PLC0415 - not needed for events

    try:
        with connect(url) as connection:
            for text in output_of(connection, job_id):
                click.echo(text, nl=False)
    except Away as error:
        raise Failure(str(error), Exit.NO_SERVER) from error


def _place(connection: Connection, since: str) -> str | None:
    """Return the position to begin after; None for now."""
    if since == _NOW:
        return None
    if since != _START:
        return since
    page = connection.read("GET", "/progress/events?limit=1")
    if not page["messages"]:
        return None
    return f"{page['position']['epoch']}/{int(page['messages'][0]['seq']) - 1}"


def _line(message: Mapping[str, Any], *, with_job: bool) -> str:
    text = describe(message)
    name = one_line(str(message.get("name") or message.get("job_id") or ""), 60)
    return f"{clock(message.get('timestamp'))}  {f'{name}: ' if with_job and name else ''}{text}"
