"""The terminal view's cost while it is open: CPU, bytes over the line, memory, and the delay of a key.

The real program runs at a pseudo terminal, whose bytes are counted, and follows a scripted server in this process.
Processor time is that of all its threads, by the kernel's account; a full core is 100 %.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.tui_load import LoadServer, jobs_at_work
from tests.support.tui_screen import ENVIRONMENT, PROGRAM, Screen, Terminal

SETTLE = 3.0
"""Seconds between the first paint and the measurement: every module is read by then."""
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(process: int) -> tuple[float, float]:
    """Return the resident set now and at its peak, in MiB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found["VmRSS"].split()[0]) / 1024, int(found["VmHWM"].split()[0]) / 1024


@contextmanager
def program(url: str, size: tuple[int, int]) -> Iterator[Terminal]:
    """Run the program without the user's settings."""
    with tempfile.TemporaryDirectory() as home:
        places = {"XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home}
        terminal = Terminal([url], size, ENVIRONMENT | places, program=PROGRAM)
        try:
            terminal.until(lambda screen: "IMG_" in screen.text)
            yield terminal
        finally:
            terminal.close()


def cursor_line(screen: Screen) -> int:
    """Return the line that the list's cursor is on."""
    return next((at for at, line in enumerate(screen.lines) if line.startswith("▌")), -1)


def load(title: str, size: tuple[int, int], changing: Sequence[int], each: int, seconds: float) -> float:
    """Measure with `each` of the jobs `changing` at every beat; return the share of a core."""
    draw = random.Random(5)
    with (
        LoadServer(jobs_at_work(1000), lambda: draw.sample(changing, each)) as server,
        program(server.url, size) as tui,
    ):
        server.going = True
        tui.read_for(SETTLE)
        used, sent, begun = processor_seconds(tui.process.pid), len(tui.output), time.monotonic()
        tui.read_for(seconds)
        passed = time.monotonic() - begun
        share = (processor_seconds(tui.process.pid) - used) / passed
        kilobytes = (len(tui.output) - sent) / 1000 / passed
        print(f"{title:<58} {100 * share:5.1f} % of a core {kilobytes:7.1f} kB/s")
        keys(f"  a key, until the screen shows it ({title.split(':', maxsplit=1)[0]})", tui, ["j", "k"], 60)
    return share


def stock_table(seconds: float) -> float:
    """Measure Textual's own table with the same updates; return its share of a core."""
    peer = [sys.executable, "-m", "tests.bench.peers", "table"]
    tui = Terminal([], (200, 60), ENVIRONMENT, program=peer)
    try:
        tui.until(lambda screen: "IMG_" in screen.text)
        tui.read_for(SETTLE)
        used, begun = processor_seconds(tui.process.pid), time.monotonic()
        tui.read_for(seconds)
        share = (processor_seconds(tui.process.pid) - used) / (time.monotonic() - begun)
    finally:
        tui.close()
    print(f"{'the same with a DataTable of Textual, without a link':<58} {100 * share:5.1f} % of a core")
    return share


def keys(title: str, tui: Terminal, which: Sequence[str], times: int) -> None:
    """Measure how soon the cursor moves, or another page is there."""
    taken: list[float] = []
    draw = random.Random(3)
    pages = len(which[0]) > 1

    def seen() -> object:
        return tui.screen.text if pages else cursor_line(tui.screen)

    for number in range(times):
        tui.read_for(draw.uniform(0.03, 0.13))
        unchanged = {seen(), -1}
        tui.press(which[number % len(which)])
        taken.append(tui.until(lambda _, unchanged=unchanged: seen() not in unchanged))  # type: ignore[misc]
    cuts = statistics.quantiles(taken, n=20)
    print(f"{title:<58} {1000 * cuts[9]:5.1f} ms p50 {1000 * cuts[18]:7.1f} ms p95")


def many(count: int) -> None:
    """Measure memory and scrolling with `count` jobs."""
    with LoadServer(jobs_at_work(count), lambda: ()) as server, program(server.url, (120, 40)) as tui:
        tui.until(lambda screen: f"{count:,}".replace(",", "") in screen.text.replace(",", ""))
        tui.read_for(SETTLE)
        now, peak = memory(tui.process.pid)
        print(f"memory with {count:>6} jobs{'':<35} {now:5.1f} MiB now {peak:5.1f} MiB peak")
        used = processor_seconds(tui.process.pid)
        keys(f"  a page, until the screen shows it ({count} jobs)", tui, ["\x1b[6~", "\x1b[5~"], 40)
        share = (processor_seconds(tui.process.pid) - used) / 40
        print(f"  processor time for a page ({count} jobs){'':<22} {1000 * share:5.1f} ms")


def first_paint(times: int) -> None:
    """Measure from the start of the process to the first job on the screen."""
    taken = []
    with LoadServer(jobs_at_work(100), lambda: ()) as server:
        for _ in range(times):
            begun = time.monotonic()
            with program(server.url, (120, 40)):
                taken.append(time.monotonic() - begun)
    print(f"{'start to first paint with data':<58} {statistics.median(taken):5.2f} s median {max(taken):6.2f} s worst")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement under load")
    parser.add_argument("--only", choices=["load", "many", "start"])
    chosen = parser.parse_args()
    if chosen.only in {None, "load"}:
        title = "200x60: 100 random of 1,000 jobs change 10 times a second"
        ours, table = load(title, (200, 60), range(1000), 100, chosen.seconds), stock_table(chosen.seconds)
        print(f"  ours / DataTable {ours / table:.2f}; goal: at most 0.5")
        load("120x40: every visible row changes 10 times a second", (120, 40), range(40), 40, chosen.seconds)
    if chosen.only in {None, "many"}:
        many(100)
        many(10_000)
    if chosen.only in {None, "start"}:
        first_paint(5)


if __name__ == "__main__":
    main()
