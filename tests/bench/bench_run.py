"""Speed of output through `phaseline run`, compared with one more `cat`; and of keys, compared with `script`."""

import argparse
import os
import pty
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice

from tests.bench.peers import in_turns
from tests.support.commands import PHASELINE
from tests.support.ports import free_port

CAT = "one more cat"


ECHO = "sh -c 'stty raw -echo; echo ready; exec cat'"
"""A program in a terminal that answers each key."""
KEY_S = 0.005


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of nine, and fewer keys")
    parser.add_argument("--only", choices=["pipe", "keys"], help="one of the two parts")
    chosen = parser.parse_args()
    os.environ["PROGRESS_URL"] = f"http://127.0.0.1:{free_port()}"  # the server is down
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        if chosen.only != "keys":
            measure_pipe(3 if chosen.quick else 9)
        if chosen.only != "pipe":
            measure_keys(300 if chosen.quick else 2000)


def measure_pipe(rounds: int) -> None:
    """Print the speed of a stream, which is so long that the start of a program hardly matters."""
    megabytes = 3000
    source = f"head -c {megabytes}000000 /dev/zero"
    commands = {
        "alone": f"{source} | cat >/dev/null",
        CAT: f"{source} | cat | cat >/dev/null",
        "phaseline run --no-output": f"{PHASELINE} run --no-output -- {source} | cat >/dev/null",
        "phaseline run": f"{PHASELINE} run -- {source} | cat >/dev/null",
    }
    taken = in_turns({name: ["sh", "-c", pipe] for name, pipe in commands.items()}, rounds)
    for name, seconds in taken.items():
        print(f"{name:<26} {megabytes / seconds:6.0f} MB/s {taken[CAT] / seconds:6.2f} x {CAT}")
    print(f"goal: at least 0.7 x {CAT}")


def measure_keys(count: int) -> None:
    """Print how long a key takes to its program and back, in turns, so that the machine's load affects all."""
    commands = {
        "alone": ECHO,
        "script": f'script -qc "{ECHO}" /dev/null',
        "phaseline run": f"{PHASELINE} run -- {ECHO}",
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    with terminals(commands) as opened:
        for name in islice(cycle(opened), count * len(opened)):
            taken[name].append(answer_ms(opened[name]))
    for name, each in taken.items():
        ends = statistics.quantiles(each, n=100)
        print(f"{name:<26} a key and its echo: median {ends[49]:6.2f} ms, p99 {ends[98]:6.2f} ms")
    print("goal: p99 at most 5 ms on an idle machine")


def answer_ms(terminal: int) -> float:
    """Type a key; return the milliseconds until it is back."""
    time.sleep(KEY_S)
    begun = time.perf_counter()
    os.write(terminal, b"x")
    os.read(terminal, 1)
    return (time.perf_counter() - begun) * 1000


@contextmanager
def terminals(commands: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Run each command in its own terminal for the length of the block."""
    opened, pids = {}, []
    for name, command in commands.items():
        pid, terminal = pty.fork()
        if pid == 0:
            os.execlp("sh", "sh", "-c", f"exec {command}")  # noqa: S606 # as a terminal starts it
        opened[name] = terminal
        pids.append(pid)
    try:
        for terminal in opened.values():
            printed = b""
            while b"ready" not in printed or not printed.endswith(b"\n"):
                printed += os.read(terminal, 1024)
        time.sleep(2)  # otherwise the modules that `phaseline run` loads would count
        yield opened
    finally:
        for pid, terminal in zip(pids, opened.values(), strict=True):
            os.close(terminal)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
