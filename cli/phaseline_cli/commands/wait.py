"""`phaseline wait`: wait until jobs meet a condition, or until a machine or queue is free."""

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import click

from phaseline_cli.client.box_wait import wait_until_free
from phaseline_cli.client.conditions import CONDITION, Condition, Standing, decision
from phaseline_cli.client.connection import Away, Connection, Rejected, connect
from phaseline_cli.client.durations import DURATION
from phaseline_cli.client.events import Event, TimedOut, channels_of, follow_until
from phaseline_cli.client.failures import Exit, Failure, note
from phaseline_cli.commands.options import JOB, job_id_of, server_options

_INFINITE: Final = float("inf")
_PATIENCE_S: Final = 600.0
_PACE_S: Final = 1.0
_WORDS: Final = {"completed": "completed", "failed": "failed", "cancelled": "was cancelled"}


@click.command("wait")
@click.argument("job_ids", metavar="[ID]...", nargs=-1, type=JOB)
@click.option(
    "--for",
    "conditions",
    multiple=True,
    type=CONDITION,
    metavar="CONDITION",
    help="done, failed, cancelled, stalled, phase=NAME or percent=N; repeat it for alternatives. [done]",
)
@click.option("--any", "any_job", is_flag=True, help="Wait until any of the jobs has met it. [all of them]")
@click.option(
    "--box", "host", metavar="HOST", help="Wait until this machine has no active or queued job, instead of jobs."
)
@click.option("--queue", metavar="NAME", help="With --box: only this queue. [all of them]")
@click.option("--fail-stalled", is_flag=True, help="Exit with 6 if a job stalls, not only if it is lost.")
@click.option(
    "--timeout",
    type=DURATION,
    default=_INFINITE,
    metavar="TIME",
    help="Exit with 124 after this time: 90s, 5m, 2h. [never]",
)
@click.option(
    "--reconnect",
    type=DURATION,
    default=_PATIENCE_S,
    metavar="TIME",
    help="Exit with 7 if a lost server is not back after this time. [10m]",
)
@click.option("--jsonl", is_flag=True, help="Print a JSON object instead of the id, for each job whose wait has ended.")
@server_options
def wait_command(
    job_ids: tuple[str, ...],
    *,
    host: str | None,
    queue: str | None,
    conditions: tuple[Condition, ...],
    timeout: float,
    reconnect: float,
    url: str | None,
    **flags: bool,
) -> None:
    """Wait until the jobs meet a condition; by default, until they are done.

    The id of each job that meets it is printed on standard output. Jobs that can no longer meet it are printed on
    standard error. Without an ID, the job is that in PROGRESS_JOB. The command does not poll, and reconnects.

    \b
        phaseline wait shot-13 --timeout 2h && echo done
        phaseline wait a b --any --for phase=render
        phaseline wait --box "$(hostname)" --queue gpu && poweroff

    \b
    Exit code 0, or that of the first job that did not meet the condition:
      0  met            3  the job was cancelled    7    no server answers
      1  the job ended  5  no such job              124  time-out
         without it     6  it stalled or is lost
    """  # noqa: D301 - click reads the backspace
    deadline = time.monotonic() + timeout
    if host is not None:
        if job_ids or conditions or flags["any_job"] or flags["fail_stalled"]:
            raise click.UsageError("--box can't be combined with an ID, --for, --any or --fail-stalled; leave them out")
        wait_until_free(url, host, queue, deadline=deadline, patience_s=reconnect)
        click.echo(json.dumps({"host": host, "queue": queue, "free": True}) if flags["jsonl"] else host)
        return
    if queue is not None:
        raise click.UsageError("--queue needs --box")
    ids = list(dict.fromkeys(map(job_id_of, job_ids or (None,))))
    waiting = _Waiting(ids, conditions or (CONDITION.convert("done", None, None),), **flags)
    try:
        with connect(url) as connection:
            since = waiting.begin(connection)
        if not waiting.is_over():
            is_over = partial(waiting.apply, url=url)
            follow_until(is_over, url, channels_of(ids), since, deadline=deadline, patience_s=reconnect)
    except Away as error:
        raise Failure(str(error), Exit.NO_SERVER) from error
    except TimedOut:
        raise Failure(f"time-out; still waiting for {', '.join(waiting.undecided)}", Exit.TIMED_OUT) from None
    click.get_current_context().exit(waiting.code)


class _Waiting:
    """The jobs to wait for."""

    def __init__(
        self, ids: Sequence[str], conditions: Sequence[Condition], *, any_job: bool, fail_stalled: bool, jsonl: bool
    ) -> None:
        self._ids = ids
        self._conditions = conditions
        self._any_job = any_job
        self._fail_stalled = fail_stalled
        self._jsonl = jsonl
        self._is_estimated = any(condition.is_estimated for condition in conditions)
        self._asked_at = -_INFINITE
        self._is_outdated = False
        self._jobs: dict[str, Standing] = {}
        self._codes: dict[str, Exit] = {}

    @property
    def undecided(self) -> list[str]:
        """The jobs that may still meet the condition."""
        return [job_id for job_id in self._ids if job_id not in self._codes]

    def is_over(self) -> bool:
        """Whether there is nothing to wait for."""
        return not self.undecided or (self._any_job and Exit.DONE in self._codes.values())

    @property
    def code(self) -> Exit:
        """The exit code."""
        if self._any_job and Exit.DONE in self._codes.values():
            return Exit.DONE
        codes = [self._codes[job_id] for job_id in self._ids if job_id in self._codes]
        return next((code for code in codes if code is not Exit.DONE), Exit.DONE)

    def begin(self, connection: Connection) -> str:
        """Ask for the jobs; return the position from which to follow them."""
        statuses = [connection.job(job_id) for job_id in self._ids]
        epoch = connection.read("GET", "/progress/events?limit=1")["position"]["epoch"]
        for status in statuses:
            self._stands(status)
        return f"{epoch}/{min(int(status['seq']) for status in statuses)}"

    def apply(self, event: Event, url: str | None) -> bool:
        """Apply an event of the stream; return whether there is nothing more to wait for."""
        self._is_outdated |= event.kind == "snapshot"  # the messages since the last one are not available
        if self._is_outdated:
            self._ask(url)
            self._is_outdated = False
        else:
            self._apply(json.loads(event.data or b"{}"), url)
        return self.is_over()

    def _apply(self, message: dict[str, Any], url: str | None) -> None:
        job_id = message.get("job_id")
        if job_id in self._jobs and job_id not in self._codes:
            self._jobs[job_id].apply(message)
            self._decide(job_id)
        if self._is_estimated and not self.is_over() and time.monotonic() - self._asked_at > _PACE_S:
            self._ask(url)

    def _ask(self, url: str | None) -> None:
        """Ask for the state of the jobs that are not decided."""
        self._asked_at = time.monotonic()
        with connect(url) as connection:
            for job_id in self.undecided:
                try:
                    self._stands(connection.job(job_id))
                except Rejected as error:
                    raise Failure(f"job {job_id!a} is no longer on the server", Exit(error.exit_code)) from error

    def _stands(self, status: dict[str, Any]) -> None:
        job_id = str(status["job_id"])
        self._jobs[job_id] = Standing(status)
        self._decide(job_id)

    def _decide(self, job_id: str) -> None:
        job = self._jobs[job_id]
        code = decision(job, self._conditions, fail_stalled=self._fail_stalled)
        if code is None:
            return
        self._codes[job_id] = code
        if self._jsonl:
            met = code is Exit.DONE
            click.echo(json.dumps({"job_id": job_id, "state": job.state, "met": met, "error": job.error or None}))
        elif code is Exit.DONE:
            click.echo(job_id)
        if code is not Exit.DONE:
            note(f"job {job_id} {_WORDS.get(job.state, f'is {job.state}')}{': ' if job.error else ''}{job.error}")
