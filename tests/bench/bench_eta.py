"""The cost of estimates: one query, learning from one job, and a thousand watched jobs once per second.

Processor time of this thread, the best of several rounds. Nothing is asserted.
"""

import random
import time
from collections.abc import Callable

from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Run, Step
from phaseline.model.events import JobProgress, JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment

PHASES = tuple(f"phase {i}" for i in range(8))
SECOND = 1_000_000_000
JOBS = 1000
SERIES = 20


def run(rng: random.Random, series: str) -> Run:
    """Return a finished run of eight phases with three covariates."""
    size = rng.uniform(1, 50)
    steps = tuple(Step(name, size * 1000 * rng.lognormvariate(0, 0.3)) for name in PHASES)
    return Run("bench", series, steps, {"bytes": size * 1e6, "frames": rng.randint(1, 99), "host": rng.choice("abc")})


def job(number: int, phase: int) -> Job:
    """Return a job in its `phase`-th phase, each of which reports progress five times."""
    made = Job(f"job {number}")
    info = {"bytes": 3e7, "frames": 20, "host": "a"}
    started = JobStarted(
        job_id=made.job_id, workflow="bench", phases=PHASES, series=f"s{number % SERIES}", photo_info=info
    )
    made.apply(started, Moment(0, 0))
    for i in range(phase + 1):
        for report in range(5):
            at = Moment(0, (i * 20 + report) * SECOND)
            made.apply(JobProgress(job_id=made.job_id, phase=PHASES[i], progress=5.0 * report), at)
    return made


def cost(work: Callable[[], object], times: int, rounds: int = 7) -> float:
    """Return the processor seconds of one `work`, the best of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        for _ in range(times):
            work()
        best = min(best, (time.thread_time() - started) / times)
    return best


def main() -> None:
    """Print the figures; with few runs, those of 20 series that share data."""
    rng, engine = random.Random(1), ModelEngine()
    for runs in (2, 8, 30, 128):
        engine = ModelEngine()
        for number in range(runs * SERIES):
            engine.learn_run(run(rng, f"s{number % SERIES}"))
        asked, now = job(0, 3), Moment(0, 70 * SECOND)
        engine.estimate(asked, now)
        again = cost(lambda e=engine, j=asked, n=now: e.estimate(j, n), 500)  # type: ignore[misc]
        durations = [run(rng, "s0") for _ in range(40)]
        waiting = iter(durations)
        learned = cost(lambda e=engine, w=waiting: e.learn_run(next(w)), 8, 5)  # type: ignore[misc]
        print(f"{runs:3d} runs: {1e6 * again:6.1f} us a question, {1e3 * learned:6.3f} ms to learn a job")
    jobs = [job(number, number % 8) for number in range(JOBS)]
    for tick in range(2):
        begun = time.thread_time()
        for each in jobs:
            engine.estimate(each, Moment(0, (200 + tick) * SECOND))
        spent = time.thread_time() - begun
        print(f"{JOBS} jobs {'for the first time' if not tick else 'once a second'}: {100 * spent:5.1f} % of a core")


if __name__ == "__main__":
    main()
