"""`phaseline show`: show one job."""

import json
from collections.abc import Iterator
from typing import Any, Final

import click

from phaseline.text import one_line
from phaseline_cli.client.connection import Away, connect
from phaseline_cli.client.failures import Exit, Failure
from phaseline_cli.client.listed import ListedJob
from phaseline_cli.client.words import STYLES, clock, duration, percent, percent_of, state_word
from phaseline_cli.commands.options import JOB, job_id_of, server_options

_PHASE_SIGNS: Final = {"done": "✓", "current": "►", "skipped": "-", "failed": "✗"}


@click.command("show")
@click.argument("job_id", metavar="[ID]", required=False, type=JOB)
@click.option("--json", "as_json", is_flag=True, help="Print the status as a JSON document.")
@server_options
def show_command(job_id: str | None, *, as_json: bool, url: str | None) -> None:
    """Show a job, by default the one in PROGRESS_JOB.

    \b
        phaseline show shot-13
        phaseline show shot-13 --json | jq .eta_seconds
    """  # noqa: D301 - click reads the backspace
    job = job_id_of(job_id)
    try:
        with connect(url) as connection:
            status = connection.job(job)
    except Away as error:
        raise Failure(str(error), Exit.NO_SERVER) from error
    if as_json:
        click.echo(json.dumps(status, indent=2))
        return
    for line in _lines(status):
        click.echo(line)


def _lines(status: dict[str, Any]) -> Iterator[str]:
    job = ListedJob(status)
    state = str(status.get("state"))
    yield f"{job.name}  {click.style(state_word(status), fg=STYLES.get(state))}  {percent_of(status)}"
    done, total = status.get("done"), status.get("total")
    ended = status.get("completed_at") is not None
    rows = {
        "id": job.job_id,
        "queue": job.remark if state == "queued" else one_line(str(status.get("queue") or "")),
        "starts": duration(status["start_eta_seconds"]) if status.get("start_eta_seconds") is not None else "",
        "workflow": job.workflow,
        "series": job.series,
        "host": job.host,
        "started": clock(status.get("started_at")),
        "took" if ended else "time": duration(status.get("duration") if ended else status.get("elapsed_seconds")),
        "left": _left(status) if state == "active" else "",
        "count": "" if done is None else f"{done:g}{'' if total is None else f' of {total:g}'} {status.get('unit')}",
        "orders": ", ".join(one_line(str(order.get("order"))) for order in status.get("pending_orders") or ()),
        "message": one_line(str(status.get("message") or "")),
        "reason": job.remark if state == "cancelled" else one_line(str(status.get("reason") or "")),
        "error": job.remark if state in {"failed", "lost"} else "",
    }
    yield from (f"  {name:9} {one_line(value)}" for name, value in rows.items() if value)
    for stage in status.get("stages") or ():
        yield "  " + _stage(stage)


def _left(status: dict[str, Any]) -> str:
    low, high = status.get("eta_low_seconds"), status.get("eta_high_seconds")
    likely = duration(status.get("eta_seconds"))
    return likely if low is None or high is None else f"{likely} ({duration(low)} to {duration(high)})"


def _stage(stage: dict[str, Any]) -> str:
    state = str(stage.get("state"))
    words = [_PHASE_SIGNS.get(state, "·"), one_line(str(stage.get("name")))]
    if state in {"current", "done", "failed"}:
        words.append(duration(stage.get("elapsed_seconds")))
    if state == "current" and stage.get("progress") is not None:
        words.append(percent(stage["progress"]))
    if stage.get("error"):
        words.append(one_line(str(stage["error"])))
    return " ".join(words)
