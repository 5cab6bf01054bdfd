"""Watching a process that runs already, by its id."""

import time

import trio

from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit, note
from phaseline_cli.command_job import UNNAMED, CommandJob
from phaseline_cli.inside import PACE_S, Inside
from phaseline_cli.run.command import name_of, new_id, series_of, workflow_of
from phaseline_cli.run.facts import input_facts
from phaseline_cli.run.reader import End, Outcome, Reader
from phaseline_cli.run.tree import Tree
from phaseline_cli.watch.process import RunningProcess
from phaseline_cli.watch.session import NO_LONGER
from phaseline_cli.watcher import Wishes, usable_adapters

__all__ = ["UNKNOWN_END", "exit_of", "watch_pid"]

UNKNOWN_END = "ended; its exit code is not known"
"""Neither completed nor failed: estimates would learn from a completed job, and a failed one would raise an alert."""
_EXITS: dict[Outcome, Exit] = {"ok": Exit.DONE, "failed": Exit.FAILED, "cancelled": Exit.CANCELLED}


async def watch_pid(pid: int, wishes: Wishes, reporter: Reporter) -> Exit:
    """Report a process until it ends; return the exit code for how it ended.

    The workflow and the series are those of `phaseline run` with the same command, so that its durations count.

    Raises:
        Failure: There is no such process.
    """
    with RunningProcess(pid) as process:
        argv = process.seen.argv
        reader = Reader(usable_adapters(), argv, wishes.adapter)
        known = reader.adapter
        name = wishes.name or name_of(argv)
        phases = known.phases if known is not None else ()
        age = process.seen.age
        job = reporter.job(
            name,
            phases=phases,
            workflow=wishes.workflow or (known.name if known is not None else workflow_of(argv)),
            series=series_of(argv) if wishes.series is None else wishes.series,
            job_id=wishes.job_id or new_id(name),
            worker=reporter.identity.facts(seen := process.facts()),
            info=input_facts(argv, seen.folder) if seen.folder and reporter.identity.sends("command") else None,
            age=age,
        )
        job.__enter__()
        note(f"watching process {pid} as job {job.job_id}")
        command = CommandJob(reporter, job, phases)
        inside = Inside(pid if wishes.tree else 0, reader, time.monotonic() - age)
        is_script = known is None and wishes.tree and Tree(pid).is_script()
        if len(phases) < 2 and not is_script:  # noqa: PLR2004 - with several phases, the current one is unknown
            command.begin(phases[0] if phases else UNNAMED, age)
        code: int | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_look, inside, reader, command)
                code = await process.wait()
                nursery.cancel_scope.cancel()
        except BaseException:  # a signal
            command.cancel(NO_LONGER)
            raise
    return exit_of(command, code, None if code is None else reader.end(code))


async def _look(inside: Inside, reader: Reader, command: CommandJob) -> None:
    while True:
        if inside.look():
            command.report(inside.of_script(reader.progress.now))
        await trio.sleep(PACE_S / 2)


def exit_of(command: CommandJob, code: int | None, end: End | None) -> Exit:
    """Report how a process ended, and return the exit code for it.

    Args:
        command: The job.
        code: The process's exit code; None if it is not known.
        end: What its output shows.
    """
    if code is None or end is None:
        reason = UNKNOWN_END if end is None or end.error is None else f"{UNKNOWN_END}: {end.error}"
        command.cancel(reason)
        note(reason)
        return Exit.CANCELLED
    command.end(code, end)
    return _EXITS[end.outcome]
