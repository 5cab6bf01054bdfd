"""Batches that tests of the log's engines commit, and functions to read them."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.statistics import Average
from phaseline_server.log.batch import Batch, JobRow, RunRow
from phaseline_server.log.protocol import Store
from tests.support.journals import batch

__all__ = ["JOBS", "Both", "Open", "Step", "found_in", "job_row", "prune_all", "run_row"]

Open = Callable[..., Awaitable[Store]]


def job_row(job_id: str, seq: int, *, ended_ns: int | None = None, lost_ns: int | None = None) -> JobRow:
    """Return a job that is active, has ended, or is lost; its record is its name and number."""
    state = State.COMPLETED if ended_ns else State.LOST if lost_ns else State.ACTIVE
    return JobRow(job_id, seq, state, ended_ns or lost_ns or seq, ended_ns, f"{job_id}{seq}".encode())


def run_row(
    seq: int, *, state: str = "completed", phase: str = "render", duration_ns: int = 1, workflow: str = "film"
) -> RunRow:
    body = b"{}" if state == "completed" else None
    return RunRow(seq, 10 * seq, f"job{seq}", workflow, "trailer", state, phase, duration_ns, body)


async def prune_all(store: Store, now_ns: int) -> None:
    with trio.fail_after(60):
        while await store.prune(Moment(now_ns, now_ns)):
            pass


Step = tuple[str, int, str]
JOBS = "abcd"


class Both:
    """Stores that receive the same steps, with unique times and figures."""

    def __init__(self, *stores: Store) -> None:
        self.stores = stores
        self.now_ns = 0

    async def do(self, step: Step) -> None:
        kind, count, name = step
        self.now_ns += 3
        for store in self.stores:
            if kind == "prune":
                await prune_all(store, self.now_ns)
            elif kind == "learn":
                await store.save_learned([("model", name, b"%d" % self.now_ns)])
            elif kind == "unlearn":
                await store.save_learned([], {("model", name)})
            elif kind == "forget":
                await store.commit(Batch(at=Moment(self.now_ns, self.now_ns), messages=(), forget=True))
            else:
                await store.commit(self.batch(store.top, count, name, kind))

    def batch(self, top: int, count: int, name: str, state: str) -> Batch:
        """Return a batch of `count` events that leave a job in this state."""
        seq, ended = top + count, state == "ended"
        at_ns = {} if state == "active" else {f"{state}_ns": self.now_ns}
        return batch(
            top + 1,
            seq,
            at_ns=self.now_ns,
            jobs=[job_row(name, seq, **at_ns)],
            producers={("", name, name): (count, seq)},
            runs=[run_row(seq, state="failed" if name == "a" else "completed", duration_ns=seq)] if ended else [],
            durations=[PhaseDuration("film", "trailer", name, seq)] if ended else [],
            averages={("film", name): Average(count, seq)} if ended else {},
            counts=(seq, count) if ended else None,
        )


async def found_in(store: Store, first: int, since_ns: int) -> tuple[Any, ...]:
    """Return all that a store answers: events from number `first` on, and jobs that ended since or lately."""
    loads = [await store.load(0, 100), await store.load(since_ns, 100), await store.load(0, 3)]
    return (
        store.top,
        await store.events(first - 1, 100),
        [(list(kept.records), list(kept.producers.items()), kept.averages, kept.counts) for kept in loads],
        [await store.job(name) for name in JOBS],
        await store.learned(),
        await store.outcomes(2),
    )
