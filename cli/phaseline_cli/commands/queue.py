"""`phaseline queue`: run commands one after the other, without a daemon."""

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Final

import click

from phaseline_cli.client.failures import Exit, Failure
from phaseline_cli.commands.options import job_id_of
from phaseline_cli.queue.changes import add_cancelled, marked, remove_from, restart_in
from phaseline_cli.queue.slots import ensure_runner, mark_dead, run_job, wake
from phaseline_cli.queue.store import QueuedJob, Settings, Store, queue_of, queues
from phaseline_cli.run.command import name_of, new_id

_LOOK_S: Final = 0.2
_SHOWN: Final = ("job_id", "state", "exit_code", "reason", "after", "priority", "added", "started", "ended")
_QUEUE: Final = click.option("--queue", metavar="NAME", default="default", help="Name of the queue. [default]")
_ANY_QUEUE: Final = click.option("--queue", metavar="NAME", help="Only this queue. [all queues]")


@click.group("queue")
def queue_command() -> None:
    """Run commands one after the other, or several at a time, each under `phaseline run`.

    There is no daemon: a background process starts with the first job, and exits after the last one.

    \b
        phaseline queue add --slots 2 -- ffmpeg -i shot.mov shot.mp4
        phaseline queue list
    """  # noqa: D301 - click reads the backspace


@queue_command.command("add", context_settings={"allow_interspersed_args": False})
@_QUEUE
@click.option(
    "--slots",
    type=click.IntRange(1),
    metavar="N",
    help="Maximum number of jobs that run at a time. [unchanged; 1 for a new queue]",
)
@click.option("--priority", type=int, default=0, metavar="N", help="Priority; jobs with a higher one start first. [0]")
@click.option(
    "--after", multiple=True, metavar="ID", help="Start once this job has completed; repeat it for more jobs."
)
@click.option("--id", "job_id", metavar="ID", help="The job's id. [the name and a random suffix]")
@click.argument("argv", nargs=-1, required=True, metavar="[--] COMMAND [ARG]...", type=click.UNPROCESSED)
def _add(
    argv: tuple[str, ...], *, queue: str, slots: int | None, priority: int, after: tuple[str, ...], job_id: str | None
) -> None:
    """Add a command, and print the id of its job."""
    store = Store(queue)
    job_id = job_id_of(job_id or new_id(name_of(argv))).replace("/", "_")
    env = {name: value for name, value in os.environ.items() if name != "PROGRESS_JOB"}
    with store.locked():
        if slots is not None:
            settings = store.settings()
            settings.slots = slots
            store.write_settings(settings)
        jobs = store.jobs()
        if any(job.job_id == job_id for job in jobs):
            raise Failure(f"the queue {queue} has a job {job_id!a} already; choose another --id", Exit.USAGE)
        job = QueuedJob(
            job_id=job_id,
            argv=list(argv),
            folder=os.getcwd(),  # noqa: PTH109 - a text
            env=env,
            order=max((each.order for each in jobs), default=0) + 1,
            priority=priority,
            after=list(after),
            added=time.time(),
        )
        store.write(job)
        ensure_runner(store)
    wake(store)
    click.echo(job_id)


@queue_command.command("list")
@_ANY_QUEUE
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def _list(queue: str | None, *, as_json: bool) -> None:
    """List the jobs of all queues, or of one."""
    documents = []
    for store in _stores(queue):
        with store.locked():
            ensure_runner(store)
            jobs, settings = store.jobs(), store.settings()
        if as_json:
            documents.append(_document(store.queue, settings, jobs))
        else:
            _print(store.queue, settings, jobs)
    if as_json:
        click.echo(json.dumps({"queues": documents}))


def _document(queue: str, settings: Settings, jobs: Sequence[QueuedJob]) -> dict[str, object]:
    shown = [{"name": name_of(job.argv), **{field: getattr(job, field) for field in _SHOWN}} for job in jobs]
    return {"queue": queue, "slots": settings.slots, "paused": settings.paused, "jobs": shown}


def _print(queue: str, settings: Settings, jobs: Sequence[QueuedJob]) -> None:
    click.echo(f"queue {queue}: {settings.slots} at a time{', paused' if settings.paused else ''}", err=True)
    for job in jobs:
        code = "" if job.exit_code is None else f" ({job.exit_code})"
        after = f"  after {', '.join(job.after)}" if job.after and not job.over else ""
        reason = f"  {job.reason}" if job.reason else ""
        click.echo(f"{job.job_id}  {job.state}{code}  {name_of(job.argv)}{after}{reason}")


def _stores(queue: str | None) -> list[Store]:
    return [Store(queue)] if queue is not None else [Store(name) for name in queues()]


def _store(queue: str | None, job_id: str) -> Store:
    """Return the queue that is named, else the one that has the job."""
    return Store(queue) if queue is not None else queue_of(job_id)


def _set_paused(queue: str, *, paused: bool) -> None:
    store = Store(queue)
    with store.locked():
        settings = store.settings()
        settings.paused = paused
        store.write_settings(settings)
        ensure_runner(store)
    wake(store)


@queue_command.command("pause")
@_QUEUE
def _pause(queue: str) -> None:
    """Stop starting jobs; running jobs continue."""
    _set_paused(queue, paused=True)


@queue_command.command("resume")
@_QUEUE
def _resume(queue: str) -> None:
    """Start jobs again."""
    _set_paused(queue, paused=False)


@queue_command.command("move")
@_ANY_QUEUE
@click.argument("job_id", metavar="ID")
@click.argument("place", type=click.IntRange(1))
def _move(job_id: str, place: int, queue: str | None) -> None:
    """Move a waiting job to a PLACE in the queue.

    PLACE counts from 1. The job gets the priority of the job at that place.
    """
    store = _store(queue, job_id)
    with store.locked():
        waiting = store.waiting()
        moved = next((job for job in waiting if job.job_id == job_id), None)
        if moved is None:
            raise Failure(
                f"job {store.job(job_id).job_id!a} is not waiting; only waiting jobs can be moved", Exit.FAILED
            )
        waiting.remove(moved)
        waiting.insert(place - 1, moved)
        neighbors = [job.priority for job in waiting if job is not moved]
        moved.priority = neighbors[min(place - 1, len(neighbors) - 1)] if neighbors else moved.priority
        for job, order in zip(waiting, sorted(each.order for each in waiting), strict=True):
            job.order = order
            store.write(job)
    wake(store)


@queue_command.command("remove")
@_ANY_QUEUE
@click.argument("job_ids", nargs=-1, required=True, metavar="ID...")
def _remove(job_ids: tuple[str, ...], queue: str | None) -> None:
    """Remove waiting and ended jobs, with their output."""
    for store, ids in _by_store(queue, job_ids):
        remove_from(store, ids)


def _by_store(queue: str | None, job_ids: Sequence[str]) -> list[tuple[Store, list[str]]]:
    found: dict[str, tuple[Store, list[str]]] = {}
    for job_id in job_ids:
        store = _store(queue, job_id)
        found.setdefault(store.queue, (store, []))[1].append(job_id)
    return list(found.values())


@queue_command.command("log")
@_ANY_QUEUE
@click.argument("job_id", metavar="ID")
def _log(job_id: str, queue: str | None) -> None:
    """Print the output of a job."""
    store = _store(queue, job_id)
    with store.locked():
        path = store.path(store.job(job_id).job_id, "out")
    if path.is_file():
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


@queue_command.command("follow", short_help="Print the output of a job until it ends.")
@_ANY_QUEUE
@click.argument("job_id", metavar="ID")
def _follow(job_id: str, queue: str | None) -> None:
    """Print the output of a job until it ends, and exit with its exit code."""
    store, printed = _store(queue, job_id), 0
    while True:
        with store.locked():
            mark_dead(store, job_id)
            job = store.job(job_id)
        path = store.path(job_id, "out")
        if path.is_file():
            with path.open("rb") as file:
                file.seek(printed)
                shutil.copyfileobj(file, sys.stdout.buffer)
                printed = file.tell()
            sys.stdout.buffer.flush()
        if job.over:
            code = job.exit_code if job.exit_code is not None else Exit.FAILED
            sys.exit(code if code >= 0 else 128 - code)
        time.sleep(_LOOK_S)


@queue_command.command("restart", short_help="Queue ended jobs again.")
@_ANY_QUEUE
@click.option("--failed", is_flag=True, help="Restart all jobs that failed.")
@click.argument("job_ids", nargs=-1, metavar="[ID...]")
def _restart(job_ids: tuple[str, ...], *, failed: bool, queue: str | None) -> None:
    """Queue ended jobs again, behind all others, with the jobs that were cancelled because they depend on them."""
    if not job_ids and not failed:
        raise click.UsageError("no job: name its ID, or use --failed")
    stores = _stores(queue)
    jobs = [job for store in stores for job in marked(store)]
    names = {job.job_id for job in jobs if failed and job.state == "failed"}
    for job_id in job_ids:
        names.add(_store(queue, job_id).job(job_id).job_id)
    add_cancelled(names, jobs)
    for store in stores:
        restart_in(store, names)


@queue_command.command("run", hidden=True)
@click.argument("queue")
@click.argument("lock", type=int)
def _run(queue: str, lock: int) -> None:
    """Run the queue; other commands start this."""
    from phaseline_cli.queue.runner import run_queue  # noqa: PLC0415 - it loads the reporter

    run_queue(Store(queue), lock)


@queue_command.command("run-job", hidden=True)
@click.argument("queue")
@click.argument("job_id")
@click.argument("lock", type=int)
def _run_job(queue: str, job_id: str, lock: int) -> None:
    """Run one job; the runner starts this."""
    run_job(Store(queue), job_id, lock)
