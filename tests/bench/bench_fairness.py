"""Fairness: latency of other clients while one client makes heavy requests, and the server's cost.

Each case attacks the installed server, in a separate process, while a bystander measures `/health` and the
acknowledgement of a report every 20 ms. The row `idle` is the same bystander alone: on a busy machine, compare with it.
"""

import argparse
import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.bench.installed import Server, connect, frame, post_batch, serving, start_jobs
from tests.support.servers import environment

MIB = 2**20
Figures = dict[str, str]


def row(name: str, health: str, ack: str, others: str) -> None:
    print(f"{name:<44} {health:>14} {ack:>14}   {others}", flush=True)


def latency(taken: list[float]) -> str:
    """Return the p99 and the maximum, in milliseconds."""
    if len(taken) < 2:
        return "– "
    return f"{statistics.quantiles(taken, n=100, method='inclusive')[98]:,.0f} ({max(taken):,.0f})"


@contextmanager
def bystander(name: str, server: Server, goal: str) -> Iterator[Figures]:
    """Measure beside the block, and print a row; the block adds further figures."""
    others: Figures = {}
    command = [sys.executable, "-m", "tests.bench.probe", str(server.port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as probe:
        assert probe.stdin is not None
        assert probe.stdout is not None
        assert probe.stdout.readline() == "begun\n"
        time.sleep(0.5)
        cpu, begun = server.cpu, time.perf_counter()
        yield others
        others["took"] = f"{time.perf_counter() - begun:.1f} s, {server.cpu - cpu:.1f} s CPU"
        time.sleep(0.2)
        taken = json.loads(probe.communicate()[0])
    others["peak"] = f"{peak(server) / MIB:,.0f} MiB"
    shown = ", ".join(f"{key} {value}" for key, value in others.items())
    row(name, latency(taken["health"]), latency(taken["ack"]), f"{shown}; goal: {goal}")


def peak(server: Server) -> int:
    """Return the largest resident set so far, in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()


def exchange(port: int, requests: list[bytes]) -> list[int]:
    """Send requests at once, a connection for each, and return how many bytes answered each."""
    waiting, sizes = selectors.DefaultSelector(), []
    for request in requests:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(request)
        waiting.register(sock, selectors.EVENT_READ, [0])
    while waiting.get_map():
        for key, _ in waiting.select():
            assert isinstance(key.fileobj, socket.socket)
            with suppress(ConnectionResetError):
                if received := len(key.fileobj.recv(1 << 20)):
                    key.data[0] += received
                    continue
            sizes.append(key.data[0])
            waiting.unregister(key.fileobj)
            key.fileobj.close()
    return sizes


# ------------------------------------------------------------------------------------------------ cases


def idle(directory: Path, _size: float) -> None:
    """No other load."""
    with serving(directory) as server, bystander("idle", server, "the measure of the other rows"):
        time.sleep(3)


def batch(directory: Path, size: float) -> None:
    """A batch of reports of a job with many phases."""
    with serving(directory) as server:
        phases = [f"phase {number}" for number in range(500)]
        server.post("/progress/start", json.dumps({"job_id": "many", "workflow": "many", "phases": phases}).encode())
        reports = [
            {"type": "stage_completed", "job_id": "many", "stage": phases[number % 500]} for number in range(2500)
        ]
        request = post_batch(server.port, [json.dumps(report).encode() for report in reports])
        request = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        with bystander("batch: 2,500 stage_completed, 500 phases", server, "others < 50 ms"):
            for _ in range(max(1, round(4 * size))):
                exchange(server.port, [request])


def beside_subscribers(directory: Path, size: float) -> None:
    """The same number of reports, each sent to many subscribers."""
    count = round(400 * size)
    # On a busy machine, the subscribers read more slowly than one batch is published.
    with serving(directory, "--queue", "10000") as server:
        start_jobs(server, [f"job_{number}" for number in range(10)])
        reports = [{"type": "job_progress", "job_id": f"job_{n % 10}", "stage": "a"} for n in range(2499)]
        reports.append({"type": "job_completed", "job_id": "job_9"})
        request = post_batch(server.port, [json.dumps(report).encode() for report in reports])
        request = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        name = f"batch: 2,500 reports, {count} subscribers"
        with receiving(server.port, count) as received, bystander(name, server, "others < 50 ms"):
            exchange(server.port, [request])
            assert received.readline() == "received\n"


@contextmanager
def receiving(port: int, count: int) -> Iterator[IO[str]]:
    """Subscribe many clients in a separate process, which writes a line once all have received the end of a job."""
    command = [sys.executable, "-m", "tests.bench.probe", str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        assert load.stdout.readline() == "begun\n"
        yield load.stdout
        load.stdin.close()


def events(directory: Path, size: float) -> None:
    """Parallel pages of events."""
    with serving(directory) as server:
        start_jobs(server, [f"job_{number}" for number in range(1, 4000)])
        reports = [{"type": "job_progress", "job_id": f"job_{n % 3000 + 1}", "stage": "a"} for n in range(8000)]
        for first in range(0, len(reports), 1000):
            server.post("/progress/batch", json.dumps(reports[first : first + 1000]).encode())
        before, count = server.memory, round(250 * size)
        with bystander(f"{count} parallel events pages", server, "others < 250 ms, +100 MiB") as figures:
            exchange(server.port, [get("/progress/events?limit=10000")] * count)
            figures["memory"] = f"+{(peak(server) - before) / MIB:,.0f} MiB"


def pages(directory: Path, size: float) -> None:
    """Pages and snapshots with many active jobs, and subscribers after a restart."""
    count = round(9000 * size)
    # The server's log is not read here, so it must not grow by a line for each stalled job.
    flags = ("--max-jobs", "20000", "--stall-after", "3600")
    with serving(directory, *flags) as server:
        start_jobs(server, [f"job_{number}" for number in range(count)])
        for path, goal in (("/progress/jobs?limit=1", "< 20 ms CPU"), ("/", "< 50 ms"), ("/progress/jobs", "< 50 ms")):
            with bystander(f"{path}, {count:,} active jobs", server, f"others < 50 ms, each {goal}") as figures:
                cpu = server.cpu
                for _ in range(5):
                    exchange(server.port, [get(path)])
                figures["each"] = f"{200 * (server.cpu - cpu):,.0f} ms CPU"
    with serving(directory, *flags) as server, bystander("10 snapshots after a restart", server, "others < 50 ms"):
        snapshots(server.port, 10)


def snapshots(port: int, count: int) -> None:
    """Subscribe with a snapshot, all at once, and wait for all of them."""
    subscribe = {"type": "subscribe", "channels": ["jobs"], "snapshot": True}
    socks = [connect(port) for _ in range(count)]
    for sock in socks:
        sock.sendall(frame(json.dumps(subscribe).encode()))
    for sock in socks:
        received = b""
        while b'"type":"snapshot"' not in received:
            more = sock.recv(1 << 20)
            assert more, "the server closed the connection"
            received = received[-100:] + more
    for sock in socks:
        sock.close()


def facts(directory: Path, size: float) -> None:
    """Many jobs with as many facts as a request may have."""
    count, accepted = round(3000 * size), 0
    with serving(directory) as server:
        large = {"text": "x" * 240_000}
        with bystander(f"{count:,} starts of 240 KB", server, "≤ 256 MiB of facts, a clear refusal") as figures:
            for number in range(count):
                body = json.dumps({"job_id": f"large {number}", "photo_info": large}).encode()
                with suppress(OSError):
                    accepted += bool(server.post("/progress/start", body)["success"])
            figures["accepted"] = f"{accepted:,}"
            figures["/progress/active"] = f"{exchange(server.port, [get('/progress/active')])[0] / MIB:,.0f} MiB"
    begun = time.perf_counter()
    with serving(directory):
        row("  restart after that", "", "", f"{time.perf_counter() - begun:.1f} s; goal: < 3 s")


def names(directory: Path, size: float) -> None:
    """Workflows and phases whose names are always new."""
    with serving(directory) as server:
        before, count = server.memory, round(5000 * size)
        with bystander(f"{count:,} new workflows and phases", server, "bounded, the least used evicted") as figures:
            for first in range(0, count, 100):
                messages: list[dict[str, Any]] = []
                for number in range(first, first + 100):
                    job = {"job_id": f"n{number}"}
                    messages.append({"type": "job_started", "workflow": f"w{number}", **job})
                    messages.append({"type": "job_progress", "stage": f"p{number}", **job})
                    messages.append({"type": "job_completed", **job})
                server.post("/progress/batch", json.dumps(messages).encode())
            figures["memory"] = f"+{(server.memory - before) / MIB:,.0f} MiB"
            figures["/metrics"] = f"{exchange(server.port, [get('/metrics')])[0] / 1024:,.0f} KiB"


def crowd(directory: Path, size: float) -> None:
    """Many subscribers at once after a restart."""
    with serving(directory) as server:
        start_jobs(server, [f"job_{number}" for number in range(100)])
    count = round(2000 * size)
    with serving(directory) as server, bystander(f"{count:,} clients at once", server, "≤ 1 ms CPU each") as figures:
        cpu = server.cpu
        snapshots(server.port, count)
        figures["each"] = f"{1000 * (server.cpu - cpu) / count:.2f} ms CPU"


CASES = (idle, batch, beside_subscribers, events, pages, facts, names, crowd)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    parser.add_argument("--only", action="append", choices=[case.__name__ for case in CASES])
    chosen = parser.parse_args()
    row("p99 (maximum) in ms of a bystander's", "/health", "ack", "the server")
    for case in CASES:
        if not chosen.only or case.__name__ in chosen.only:
            with tempfile.TemporaryDirectory() as directory:
                case(Path(directory), 0.1 if chosen.quick else 1.0)


if __name__ == "__main__":
    main()
