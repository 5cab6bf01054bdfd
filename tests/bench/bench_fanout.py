"""Fan-out: deliveries per second and CPU per delivered frame, ours beside others; delay, memory, a storm, a cached GET.

All in one run on one machine. `--peers none` leaves the others out. Who is not installed is said to be missing; node's
`ws` is installed into a temporary directory by npm. The load comes from a process of its own (`fanout_load.py`), and
its share of a core is printed: were it near 1, the figures would be its own.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fanout_servers import NODE
from servers import environment

SUPPORT = Path(__file__).resolve().parents[1] / "support"
PEERS = ("quart", "websockets", "picows", "ws", "mosquitto")
SUBSCRIBERS = 100
SIZE = 300
SUBSCRIBE = json.dumps({"type": "subscribe", "channels": ["jobs"]})


class Program:
    """A program that answers lines with lines."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            **options,
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        line: str = self.process.stdout.readline().decode().strip()
        assert line, f"{self.process.args!r} ended"
        return line

    @property
    def cpu(self) -> float:
        """Seconds on a core so far, of all threads."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Load(Program):
    """The clients."""

    def ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        self.say(json.dumps([name, arguments]))
        return self.answer()

    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.hear())
        return found


@contextmanager
def running(command: list[str], kind: type[Program] = Program, **options: Any) -> Iterator[Any]:
    """Run a program for the length of the block."""
    program = kind(command, **options)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def row(name: str, *cells: str) -> None:
    print(f"{name:<34}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def fan_out(name: str, server: Program, load: Load, port: int, messages: int, joined: int) -> float:
    """Measure one server; return its µs of CPU per delivered frame."""
    ours = name in {"phaseline", "quart"}
    mqtt = name == "mosquitto"
    until = "\x90\x03\x00\x01\x00" if mqtt else "subscription_confirmed" if ours else "\r\n\r\n"
    load.ask("connect", count=SUBSCRIBERS, port=port, path="/ws", say=SUBSCRIBE if ours else "", until=until, mqtt=mqtt)
    load.ask("drain")
    load.say(json.dumps(["count", {"each": messages * (SIZE + (6 if mqtt else 4))}]))
    load.answer()
    cpu, begun = server.cpu, time.monotonic()
    if mqtt:
        with running([sys.executable, str(SUPPORT / "fanout_load.py")], Load) as publisher:
            publisher.say(json.dumps(["publish_mqtt", {"port": port, "count": messages, "size": SIZE}]))
            counted = load.answer()
    else:
        server.say(f"publish {messages} {joined} {SIZE}")
        counted = load.answer()
    each = 1e6 * (server.cpu - cpu) / messages / SUBSCRIBERS
    rate = messages * SUBSCRIBERS / (counted["ended"] - begun)
    load.ask("leave")
    label = name if joined == 1 else f"{name}, {joined} joined"
    row(label, f"{rate:,.0f}", f"{each:.2f}", f"{counted['share']:.2f}")
    return each


@contextmanager
def peer(name: str, directory: Path) -> Iterator[tuple[Program, int] | None]:
    """Run a server; None if it is not there."""
    command = [sys.executable, str(SUPPORT / "fanout_servers.py"), name]
    options: dict[str, Any] = {}
    if name == "ws":
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "ws"]
        if (
            not shutil.which("npm")
            or subprocess.run(install, cwd=directory, capture_output=True, check=False).returncode
        ):
            yield None
            return
        command, options = ["node", "-e", NODE], {"cwd": directory}
    if name == "mosquitto":
        found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if not found:
            yield None
            return
        (directory / "mosquitto.conf").write_text(
            "listener 18833 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        )
        command = [found, "-c", str(directory / "mosquitto.conf")]
    with running(command, **options) as server:
        if name == "mosquitto":
            time.sleep(0.5)
            yield server, 18833
        else:
            yield server, int(server.hear())


def compare(names: list[str], load: Load, directory: Path) -> None:
    """Print the table of fan-outs, and how the others compare."""
    print(f"\n{SUBSCRIBERS} subscribers, messages of {SIZE} bytes, a frame a write unless joined")
    row("", "frames/s", "µs CPU/frame", "load's share")
    each: dict[str, float] = {}
    for name in names:
        with peer(name, directory) as found:
            if found is None:
                row(name, "missing")
                continue
            server, port = found
            messages = 300 if name == "quart" else 3000
            each[name] = fan_out(name, server, load, port, messages, 1)
            if name == "phaseline":
                fan_out(name, server, load, port, 8000, 10)
    for name, cost in each.items():
        if name != "phaseline":
            row(f"  {name} / ours", "", f"{cost / each['phaseline']:.2f}")


def delays(load: Load) -> None:
    """Print the delay from report to receipt with 1,000 subscribers, all awake and 100 of them stopped."""
    row("1,000 subscribers, 100 messages/s", "p50 ms", "p99 ms", "load's share", "server's share")
    with program("phaseline") as (server, port):
        load.ask("connect", count=1000, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed")
        load.ask("drain")
        p99 = []
        for stopped in (0, 100, 0, 100):
            cpu, begun = server.cpu, time.monotonic()
            found = load.ask("latency", samples=50, seconds=2.5, rate=100, stopped=stopped)
            share = (server.cpu - cpu) / (time.monotonic() - begun)
            row(
                f"  {stopped} stopped",
                f"{found['p50']:.1f}",
                f"{found['p99']:.1f}",
                f"{found['share']:.2f}",
                f"{share:.2f}",
            )
            p99.append(found["p99"])
        row("  p99, stopped / none", "", f"{(p99[1] + p99[3]) / (p99[0] + p99[2]):.2f}")
        load.ask("leave")


@contextmanager
def program(name: str) -> Iterator[tuple[Program, int]]:
    with running([sys.executable, str(SUPPORT / "fanout_servers.py"), name]) as server:
        yield server, int(server.hear())


def idle(load: Load) -> None:
    """Print the memory of an idle connection, and how long a storm of clients takes to be served."""
    for name in ("phaseline", "quart"):
        with program(name) as (server, port):
            load.ask("connect", count=100, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed")
            before = server.memory
            many = 5000 if name == "phaseline" else 500
            load.ask("connect", count=many, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed")
            time.sleep(0.5)
            row(f"KiB of an idle connection, {name}", f"{(server.memory - before) / many / 1024:.1f}")
            load.ask("leave")
    with program("phaseline") as (server, port):
        for attempt in ("first", "again"):
            cpu = server.cpu
            found = load.ask(
                "connect", count=2000, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed"
            )
            row(f"s for 2,000 clients at once, {attempt}", f"{found['seconds']:.2f}", f"CPU {server.cpu - cpu:.2f}")
            load.ask("leave")


def gets(load: Load) -> None:
    """Print how often a snapshot can be asked for."""
    rates = {}
    for name in ("phaseline", "quart"):
        with program(name) as (server, port):
            load.ask("begin_job", port=port)
            cpu = server.cpu
            found = load.ask("get", port=port, path="/progress/job/bench", seconds=2)
            rates[name] = found["rate"]
            row(f"GET of a snapshot/s, {name}", f"{found['rate']:,.0f}", f"CPU {(server.cpu - cpu) / 2:.2f}")
    row("  ours / quart", f"{rates['phaseline'] / rates['quart']:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="whom to compare with, or none")
    parser.add_argument("--only", default="compare,delays,idle,gets", help="which of these parts")
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers = [name for name in PEERS if name in chosen.peers.split(",")]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        load = stack.enter_context(running([sys.executable, str(SUPPORT / "fanout_load.py")], Load))
        parts = chosen.only.split(",")
        if "compare" in parts:
            compare(["phaseline", *peers], load, directory)
        for part in (delays, idle, gets):
            if part.__name__ in parts:
                part(load)


if __name__ == "__main__":
    main()
