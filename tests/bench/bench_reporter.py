"""The cost of a reporter for its worker, compared with tqdm in the same run, with a real server.

Times are CPU times of the calling thread, the best of several rounds in turn, so that other load of the machine
affects all of them or none. Memory is resident memory, the median of several processes. System calls are ruled
out by the kernel, which ends a process at its first one (seccomp), and counted by strace where that is installed.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import trio
from tqdm import tqdm

from phaseline.model.events import JobStarted, PhotoInfo
from phaseline.reporting import Reporter
from phaseline.reporting.compat.photo import ProcessingStage, ProgressReporter
from phaseline.reporting.compat.websocket_server import WebSocketServer
from phaseline.reporting.tqdm import tqdm as reporting_tqdm
from tests.support.no_syscalls import PROVED, UNAVAILABLE
from tests.support.reporting import ws_url
from tests.support.servers import environment, server_process

ROUNDS = 15
CALLS = 20_000
ITEMS = 500_000
EVENTS = 10_000

RSS = """
def rss():
    import gc
    gc.collect()
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:"))
"""
IMPORTS = "import logging, msgspec, trio, trio_websocket, encodings.idna, phaseline.reporting.delivery.delivery\n"
WORKER = """
from phaseline.reporting import Reporter
import sys
with Reporter(sys.argv[1], flush_timeout=60) as reporter, reporter.job("memory", phases=["a", "b"]) as job:
    for n in range(1000):
        job.progress(n / 10, "working", phase="a")
    for _ in job.track(range(100_000), phase="b"):
        pass
    assert reporter.flush()
    print(rss())
"""
PROOF = """
import sys
from tests.support.no_syscalls import prove
from phaseline.reporting import Reporter
reporter = Reporter(sys.argv[1], flush_timeout=60)
job = reporter.job("proof", phases=["a"]).__enter__()
loop = job.track(range(10_000_000), phase="a")
next(loop)
assert reporter.flush()
job.progress(1.0, "same", phase="a")
def both():
    for _ in range(100_000):
        next(loop)
        job.progress(1.0, "same", phase="a")
"""
MARKED = """
import os
os.getppid()
both()
os.getppid()
"""


def line(name: str, value: float, unit: str, target: str = "") -> None:
    """Print one figure."""
    print(f"{name:<58} {value:>10.3f} {unit:<5} {target}")


def best(rounds: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the minimum of each of some measurements, made in turn."""
    found = [{name: measure() for name, measure in rounds.items()} for _ in range(ROUNDS)]
    return {name: min(values[name] for values in found) for name in rounds}


def per_call(call: Callable[[], Any]) -> Callable[[], float]:
    """Return a measurement of one call, in microseconds."""

    def measure() -> float:
        begun = time.thread_time()
        for _ in range(CALLS):
            call()
        return 1e6 * (time.thread_time() - begun) / CALLS

    return measure


def per_item(loop: Callable[[], Iterable[Any]]) -> Callable[[], float]:
    """Return a measurement of one iteration, in microseconds."""

    def measure() -> float:
        items = loop()
        begun = time.thread_time()
        for _ in items:
            pass
        return 1e6 * (time.thread_time() - begun) / ITEMS

    return measure


def time_costs(url: str) -> None:
    """Measure what calls and iterations take."""
    with Reporter(url, flush_timeout=60) as reporter, Path(os.devnull).open("w") as nowhere:
        photo = ProgressReporter(WebSocketServer(reporter))
        photo.start_job("bench photo")
        stage, numbers = ProcessingStage.IMPORTING, iter(range(10**9))
        update = photo.update_progress
        with reporter.job("bench", phases=["loop", "bar", "said"]) as job:
            assert reporter.flush()
            update("bench photo", stage, 25.0, "reading")
            job.progress(25.0, "reading", phase="said")
            items = best(
                {
                    "bare": per_item(lambda: range(ITEMS)),
                    "track": per_item(lambda: job.track(range(ITEMS), phase="loop")),
                    "tqdm": per_item(lambda: tqdm(range(ITEMS), file=nowhere)),
                    "both": per_item(lambda: reporting_tqdm(range(ITEMS), job=job, phase="bar", file=nowhere)),
                }
            )
            job.progress(25.0, "reading", phase="said")
            calls = best(
                {
                    "same": per_call(
                        lambda: update(job_id="bench photo", stage=stage, progress=25.0, message="reading")
                    ),
                    "less": per_call(lambda: update("bench photo", stage, 25.001, "reading")),
                    "friendly": per_call(lambda: job.progress(25.0, "reading")),
                    "visible": per_call(lambda: update("bench photo", stage, next(numbers) % 100, "reading")),
                }
            )
    line("an iteration: bare loop", items["bare"], "µs")
    line("an iteration: job.track", items["track"], "µs", f"at most tqdm's {items['tqdm']:.3f}")
    line("an iteration: tqdm", items["tqdm"], "µs")
    line("an iteration: tqdm that reports", items["both"], "µs")
    line("update_progress, nothing changed", calls["same"], "µs", "at most 1")
    line("update_progress, by less than anybody sees", calls["less"], "µs", "at most 1")
    line("job.progress, nothing changed", calls["friendly"], "µs", "at most 1")
    line("update_progress, visible", calls["visible"], "µs")


def time_delivery(url: str) -> None:
    """Measure how fast reports are recorded and delivered, acknowledged one by one."""
    with Reporter(url, flush_timeout=60, spool=2 * EVENTS) as reporter:
        reporter.report(JobStarted(job_id="bench delivery"))
        assert reporter.flush()
        begun, mine = time.perf_counter(), time.thread_time()
        for n in range(EVENTS):
            reporter.report(PhotoInfo(job_id="bench delivery", data={"n": n}))
        taken = time.thread_time() - mine
        assert reporter.flush(60)
        line("report, of which each is delivered", 1e6 * taken / EVENTS, "µs")
        line("events delivered and acknowledged in a second", EVENTS / (time.perf_counter() - begun), "/s")


def run(code: str, *arguments: str, prefix: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run code in a separate process."""
    command = [*prefix, sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def measure_memory(url: str) -> None:
    """Measure resident memory."""

    def median(code: str) -> float:
        return statistics.median(int(run(RSS + code, url).stdout) for _ in range(5)) / 1024

    bare, loaded = median("print(rss())"), median(f"{IMPORTS}print(rss())")
    worker = median(IMPORTS + WORKER)
    line("memory: bare interpreter", bare, "MiB")
    line("memory: its imports on top", loaded - bare, "MiB")
    line("memory: a connected reporter, 1000 reports, on top", worker - loaded, "MiB", "at most 2")


def measure_imports() -> None:
    """Measure how long loading takes, as the interpreter itself counts."""

    def least(module: str, before: str) -> float:
        code = f"{before}import time; t = time.thread_time(); import {module}; print(time.thread_time() - t)"
        return 1000 * min(float(run(code).stdout) for _ in range(10))

    line("import msgspec", least("msgspec", ""), "ms")
    line("import phaseline.reporting, after that", least("phaseline.reporting", "import msgspec; "), "ms")
    line("in the background, later: trio and the rest", least("phaseline.reporting.delivery.delivery", ""), "ms")


def count_syscalls(url: str) -> None:
    """Check with seccomp that a worker makes no system call, and count them with strace if it is installed."""
    code = run(f"{PROOF}prove(both)", url).returncode
    output = {PROVED: "none, proved by seccomp", UNAVAILABLE: "not known: no seccomp here"}.get(
        code, f"some: exit {code}"
    )
    print(f"{'system calls in 100,000 iterations and unchanged reports':<58} {output}")
    if shutil.which("strace"):
        with tempfile.TemporaryDirectory() as directory:
            traced = run(PROOF + MARKED, url, prefix=("strace", "-ff", "-qq", "-o", f"{directory}/calls"))
            # One file per thread; the two marks are in that of the measured thread.
            texts = [file.read_text().splitlines() for file in Path(directory).iterdir()]
        [lines] = [text for text in texts if sum(each.startswith("getppid(") for each in text) == 2] or [[]]
        marks = [index for index, each in enumerate(lines) if each.startswith("getppid(")]
        between = lines[marks[0] + 1 : marks[1]] if marks else [f"strace failed: {traced.stderr}"]
        other = [each for each in between if not each.startswith("futex(")]
        output = f"{len(other)}, and {len(between) - len(other)} futex for handing the interpreter to other threads"
        print(f"{'the same, counted by strace':<58} {output}")


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        async with server_process(Path(directory), env={}) as server:
            url = ws_url(server.url)
            for measure in (time_costs, time_delivery, measure_memory, count_syscalls):
                await trio.to_thread.run_sync(measure, url)
            await trio.to_thread.run_sync(measure_imports)


if __name__ == "__main__":
    trio.run(main)
