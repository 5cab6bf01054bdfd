"""Fan-out: deliveries per second and CPU per delivered frame, ours beside others; delay, memory, a storm, a cached GET.

All in one run on one machine. `--peers none` leaves the others out. Peers that are not installed are listed as missing;
npm installs node's `ws` into a temporary directory. The load comes from a separate process (`fanout_load.py`), and its
share of a core is printed: if it is near 1, the load limits the figures.

`floor` is only write(2) in a loop: the kernel's cost per frame, and a lower bound for any server that makes one write
per frame. By default, Mosquitto leaves Nagle's algorithm on, so that the kernel joins its writes; it is measured as all
others are, with TCP_NODELAY, and with its default.
"""

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.fanout_servers import NODE
from tests.support.servers import environment

LOAD = [sys.executable, "-m", "tests.support.fanout_load"]
SERVERS = [sys.executable, "-m", "tests.support.fanout_servers"]
PEERS = ("floor", "quart", "websockets", "picows", "ws", "mosquitto", "mosquitto+nagle")
SUBSCRIBERS = 100
SIZE = 300
SUBSCRIBE = json.dumps({"type": "subscribe", "channels": ["jobs"]})
SUBSCRIBE_TO_FILL = json.dumps({"type": "subscribe", "channels": ["jobs", "job:fill"]})
STOPPED = 100
ROUNDS = 3
BURST = 20
"""Messages in a row: few enough for any socket, and so many that what comes between two bursts hardly counts."""


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

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def receive(self) -> str:
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
    def waited(self) -> float:
        """Seconds so far that its main thread waited for a core while other programs ran."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Load(Program):
    """The clients."""

    def ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        self.send(json.dumps([name, arguments]))
        return self.answer()

    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.receive())
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


def fan_out(
    name: str, server: Program, load: Load, port: int, messages: int, joined: int, burst: int
) -> tuple[float, ...]:
    """Measure one server; return its frames per second, its µs of CPU for each, and the load's share of a core."""
    ours = name in {"phaseline", "quart"}
    mqtt = name.startswith("mosquitto")
    until = "\x90\x03\x00\x01\x00" if mqtt else "subscription_confirmed" if ours else "\r\n\r\n"
    load.ask("connect", count=SUBSCRIBERS, port=port, path="/ws", say=SUBSCRIBE, until=until, mqtt=mqtt)
    load.ask("drain")
    load.send(json.dumps(["count", {"each": messages * (SIZE + (6 if mqtt else 4))}]))
    load.answer()
    cpu, begun = server.cpu, time.monotonic()
    if mqtt:
        with running(LOAD, Load) as publisher:
            publisher.send(
                json.dumps(["publish_mqtt", {"port": port, "count": messages, "size": SIZE, "burst": burst}])
            )
            counted = load.answer()
    else:
        server.send(f"publish {messages} {joined} {SIZE} {burst}")
        counted = load.answer()
    each = 1e6 * (server.cpu - cpu) / messages / SUBSCRIBERS
    rate = messages * SUBSCRIBERS / (counted["ended"] - begun)
    load.ask("leave")
    return rate, each, counted["share"]


@contextmanager
def peer(name: str, directory: Path) -> Iterator[tuple[Program, int] | None]:
    """Run a server; None if it is not installed."""
    command = [*SERVERS, name]
    options: dict[str, Any] = {}
    port = 0  # what the program prints
    if name == "ws":
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "ws"]
        if (
            not shutil.which("npm")
            or subprocess.run(install, cwd=directory, capture_output=True, check=False).returncode
        ):
            yield None
            return
        command, options = ["node", "-e", NODE], {"cwd": directory}
    if name.startswith("mosquitto"):
        found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if not found:
            yield None
            return
        port = free_port()
        no_delay = "false" if name.endswith("nagle") else "true"
        (directory / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay {no_delay}\n"
        )
        command = [found, "-c", str(directory / "mosquitto.conf")]
    with running(command, **options) as server:
        if port:
            time.sleep(0.5)
            yield server, port
        else:
            yield server, int(server.receive())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def compare(names: list[str], load: Load, directory: Path, burst: int) -> None:
    """Print the table of fan-outs, and how the others compare; in turns, because the machine's speed varies."""
    pace = "1 ms apart, each meets cold caches" if burst == 1 else f"{burst} in a row"
    print(f"\n{SUBSCRIBERS} subscribers, messages of {SIZE} bytes, a frame a write; {pace}; medians of {ROUNDS}")
    row("", "frames/s", "µs CPU/frame", "load's share")
    found: dict[str, list[tuple[float, ...]]] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(peer(name, directory)) for name in names}
        for _ in range(ROUNDS):
            for name, running_one in servers.items():
                if running_one is None:
                    continue
                messages = 100 if name == "quart" else 1000
                found.setdefault(name, []).append(fan_out(name, *_of(running_one, load), messages, 1, burst))
                if name == "phaseline":
                    joined = fan_out(name, *_of(running_one, load), 4000, 10, 1)
                    found.setdefault("phaseline, 10 joined", []).append(joined)
    middle = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    for name, (rate, each, share) in middle.items():
        row(name, f"{rate:,.0f}", f"{each:.2f}", f"{share:.2f}")
    for name in names:
        if name not in middle:
            row(name, "missing")
        elif name != "phaseline":
            row(f"  {name} / ours", "", f"{middle[name][1] / middle['phaseline'][1]:.2f}")


def _of(found: tuple[Program, int], load: Load) -> tuple[Program, Load, int]:
    server, port = found
    return server, load, port


def delays(load: Load) -> None:
    """Print the delay from report to receipt with 1,000 subscribers, all awake and 100 of them stopped.

    The stopped ones have full sockets, so that each message is queued for them.
    """
    row("1,000 subscribers, 100 messages/s", "p50 ms", "p99 ms", "load's share", "server's share", "without a core")
    p99: dict[int, list[float]] = {0: [], STOPPED: []}
    with program("phaseline") as (server, port):
        subscribe = {"port": port, "path": "/ws", "until": "subscription_confirmed"}
        load.ask("connect", count=1000 - STOPPED, say=SUBSCRIBE, **subscribe)
        for _ in range(3):
            for stopped, seen in p99.items():
                if stopped:
                    load.ask("connect", count=stopped, say=SUBSCRIBE_TO_FILL, group="stopped", **subscribe)
                    server.send("fill")
                    server.receive()
                else:
                    load.ask("connect", count=STOPPED, say=SUBSCRIBE, group="more", **subscribe)
                load.ask("drain")
                cpu, waited, begun = server.cpu, server.waited, time.monotonic()
                found = load.ask("latency", samples=50, seconds=4, rate=100)
                elapsed = time.monotonic() - begun
                shares = found["share"], (server.cpu - cpu) / elapsed, (server.waited - waited) / elapsed
                cells = [f"{found[p]:.1f}" for p in ("p50", "p99")] + [f"{share:.2f}" for share in shares]
                row(f"  {stopped} stopped", *cells)
                seen.append(found["p99"])
                load.ask("leave", group="stopped" if stopped else "more")
        middle, beside_stopped = (statistics.median(found) for found in p99.values())
        row(
            "  medians of p99, and their ratio",
            f"{middle:.1f}",
            f"{beside_stopped:.1f}",
            f"{beside_stopped / middle:.2f}",
        )
        load.ask("leave")


@contextmanager
def program(name: str) -> Iterator[tuple[Program, int]]:
    with running([*SERVERS, name]) as server:
        yield server, int(server.receive())


def idle(load: Load) -> None:
    """Print the memory of an idle connection, and how long a storm of clients takes to be served."""
    for name in ("phaseline", "quart"):
        with program(name) as (server, port):
            load.ask("connect", count=100, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed")
            before = server.memory
            # At most the backlog of stock hypercorn at a time; it loses connections beyond that.
            many, at_once = (5000, 5000) if name == "phaseline" else (500, 100)
            for _ in range(many // at_once):
                load.ask("connect", count=at_once, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed")
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
    """Print the rate of snapshot requests and their cost for the server, in turns."""
    found: dict[str, list[float]] = {"phaseline": [], "quart": []}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(program(name)) for name in found}
        for _, port in servers.values():
            load.ask("begin_job", port=port)
        for _ in range(5):
            for name, (server, port) in servers.items():
                cpu = server.cpu
                answered = load.ask("get", port=port, path="/progress/job/bench", seconds=1)
                found[name].append(1e6 * (server.cpu - cpu) / answered["count"])
                row(f"GET of a snapshot, {name}", f"{answered['rate']:,.0f}/s", f"{found[name][-1]:.0f} µs CPU")
    row("  quart / ours", "", f"{statistics.median(found['quart']) / statistics.median(found['phaseline']):.2f}")


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
        load = stack.enter_context(running(LOAD, Load))
        parts = chosen.only.split(",")
        if "compare" in parts:
            for burst in (BURST, 1):
                compare(["phaseline", *peers], load, directory, burst)
        for part in (delays, idle, gets):
            if part.__name__ in parts:
                part(load)


if __name__ == "__main__":
    main()
