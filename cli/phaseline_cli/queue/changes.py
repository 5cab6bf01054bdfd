"""Removing jobs of a queue, and queueing ended ones again."""

from collections.abc import Collection, Sequence

from phaseline_cli.client.failures import Failure
from phaseline_cli.queue.slots import ensure_runner, mark_dead, wake
from phaseline_cli.queue.store import QueuedJob, Store

__all__ = ["add_cancelled", "marked", "remove_from", "restart_in"]


def remove_from(store: Store, job_ids: Sequence[str]) -> None:
    """Remove waiting and ended jobs, with their output."""
    with store.locked():
        mark_dead(store)
        removed = {job_id: store.job(job_id).state for job_id in job_ids}
        for job_id, state in removed.items():
            if state == "running":
                raise Failure(f"job {job_id!a} is running; stop it first with phaseline cancel {job_id}")
        waiting = [job for job in store.waiting() if job.job_id not in removed]
        for job in waiting:
            if names := [name for name in job.after if removed.get(name, "completed") != "completed"]:
                raise Failure(f"job {job.job_id!a} waits for {', '.join(names)}; remove it as well")
        for job in waiting:
            if not removed.keys().isdisjoint(job.after):
                job.after = [name for name in job.after if name not in removed]
                store.write(job)
        for job_id in removed:
            store.remove(job_id)
    wake(store)


def marked(store: Store) -> list[QueuedJob]:
    """Return all jobs of a queue; those whose process is gone are marked as failed."""
    with store.locked():
        mark_dead(store)
        return store.jobs()


def add_cancelled(names: set[str], jobs: Sequence[QueuedJob]) -> None:
    """Add the jobs that were cancelled because they waited for one of `names`, or for one of these."""
    while more := {
        job.job_id
        for job in jobs
        if job.state == "cancelled" and job.job_id not in names and not names.isdisjoint(job.after)
    }:
        names |= more


def restart_in(store: Store, names: Collection[str]) -> None:
    """Queue the jobs of these names again, behind all others."""
    with store.locked():
        jobs = store.jobs()
        last = max((job.order for job in jobs), default=0)
        for number, job in enumerate((job for job in jobs if job.job_id in names), 1):
            if not job.over:
                raise Failure(f"job {job.job_id!a} is {job.state}; only an ended job is restarted")
            job.state, job.exit_code, job.reason, job.order = "queued", None, "", last + number
            job.started = job.ended = None
            store.write(job)
        ensure_runner(store)
    wake(store)
