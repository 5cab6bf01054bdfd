"""The process of one running job. It survives the queue's runner, and records the end of the job by itself.

It holds the lock of the job's file for its life, and so does the `phaseline run` that it starts. So every command of
the queue can find out whether a job that is marked as running still runs. A running job whose lock is free was ended by
a reboot or SIGKILL. It is marked as failed, and not restarted automatically, because its command may have had side
effects.
"""

import fcntl
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from phaseline_cli.queue.store import QueuedJob, Store, is_held
from phaseline_cli.run.command import name_of
from phaseline_cli.run.inherited import LOCK

__all__ = ["begin", "ensure_runner", "mark_dead", "program", "run_job", "wake"]

_CANCELLED = frozenset({-2, -15, 130, 143})
"""Exit codes of commands that a user has interrupted or cancelled, as `phaseline run` reads them."""


def program() -> list[str]:
    """Return the command line by which this program starts."""
    return [sys.executable, str(Path(sys.argv[0]).resolve())]


def begin(store: Store, job: QueuedJob) -> int:
    """Start the process of a job, in a session of its own, and return its number; call it inside of `store.locked`."""
    lock = os.open(store.path(job.job_id, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    out = os.open(store.path(job.job_id, "out"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # The lock belongs to the open file, which the child inherits: there is no moment without a holder.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        job.state, job.started = "running", time.time()
        store.write(job)
        process = subprocess.Popen(  # noqa: S603 - it is this program
            [*program(), "queue", "run-job", store.queue, job.job_id, str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=[lock],
            start_new_session=True,
        )
    finally:
        os.close(lock)
        os.close(out)
    return process.pid


def run_job(store: Store, job_id: str, lock: int) -> None:
    """Run a job's command as by `phaseline run`, and record how it ended; the process of `begin` calls this.

    Args:
        store: The job's queue.
        job_id: The job.
        lock: The descriptor of the job's lock.
    """
    with store.locked():
        job = store.job(job_id)
    try:
        command = [*program(), "run", "--id", job.job_id, "--queue", store.queue, "--", *job.argv]
        env = {**job.env, LOCK: str(lock)}
        code = subprocess.run(command, cwd=job.folder, env=env, check=False, pass_fds=[lock]).returncode  # noqa: S603
        reason = ""
    except OSError as error:
        code, reason = 125, f"it could not be started in {job.folder}: {(error.strerror or str(error)).lower()}"
        _report_failure(job, reason)
    with store.locked():
        job = store.job(job_id)
        state = "completed" if code == 0 else "cancelled" if code in _CANCELLED else "failed"
        job.end(state, reason, code)  # type: ignore[arg-type] # one of three
        store.write(job)
        ensure_runner(store)  # it may have been killed
    wake(store)


def _report_failure(job: QueuedJob, reason: str) -> None:
    """Report a job that failed before `phaseline run` could report it."""
    for command in (["start", name_of(job.argv), "--id", job.job_id], ["fail", job.job_id, "-m", reason]):
        subprocess.run([*program(), *command], cwd="/", env=job.env, check=False)  # noqa: S603 - it is this program


def ensure_runner(store: Store) -> None:
    """Start the queue's runner if there is something to do and none is there; call it inside of `store.locked`."""
    mark_dead(store)
    if store.waiting() and not is_held(store.folder / "runner.lock"):
        fd = os.open(store.folder / "runner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        log = os.open(store.folder / "runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the runner inherits it
            subprocess.Popen(  # noqa: S603 - it is this program
                [*program(), "queue", "run", store.queue, str(fd)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[fd],
                start_new_session=True,
            )
        finally:
            os.close(fd)
            os.close(log)


def mark_dead(store: Store, *job_ids: str) -> None:
    """Mark jobs whose process is gone as failed, of these or of all; call it inside of `store.locked`."""
    for job in map(store.job, job_ids) if job_ids else store.jobs():
        if job.state == "running" and not is_held(store.path(job.job_id, "lock")):
            job.end("failed", "its process was killed, or the machine restarted; see phaseline queue restart")
            store.write(job)


def wake(store: Store) -> None:
    """Let the queue's runner look at the queue now."""
    with suppress(OSError):  # there is none
        fd = os.open(store.folder / "wake", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(fd, b"!")
        finally:
            os.close(fd)
