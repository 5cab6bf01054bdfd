"""The journal's speed: durable ingest with acknowledgements, replay, restart, memory over a churn, cost by size.

The server is a separate process, whose processor time is that of all its threads; the load comes from this one, whose
share of a core is printed. All frames are made before the clock starts.
"""

import argparse
import json
import selectors
import socket
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.installed import EVENT_BYTES, Server, connect, event, frame, post_batch, serving, start_jobs
from tests.bench.peers import Echo, echoing, sqlite_commits
from tests.support.postgres import postgres_server


def print_figures(name: str, events: int, seconds: float, load: float, server: float) -> None:
    """Print the rate of an ingest that took `seconds`, and `load` and `server` of processor time."""
    print(
        f"  {name:<34} {events / seconds:>9,.0f} events/s   server {server / events * 1e6:5.1f} µs an event, "
        f"{server / seconds:4.2f} of a core; load {load / seconds:4.2f}"
    )


def ingest(server: Server | Echo, frames: list[bytes], events: int) -> tuple[float, float, float]:
    """Send frames, and wait for the last acknowledgement; return the seconds, and each side's processor time."""
    sock = connect(server.port)
    sock.sendall(frame(b'{"type":"register","client_type":"bench","acks":true}'))
    time.sleep(0.3)
    sock.setblocking(False)
    data, sent, received = memoryview(b"".join(frames)), 0, bytearray()
    wanted, acks = selectors.DefaultSelector(), 0
    wanted.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
    begun, ours, theirs = time.perf_counter(), time.process_time(), server.cpu
    while acks < events:
        for _, ready in wanted.select():
            if ready & selectors.EVENT_WRITE:
                sent += sock.send(data[sent : sent + 262_144])
                if sent == len(data):
                    wanted.modify(sock, selectors.EVENT_READ)
            if ready & selectors.EVENT_READ:
                received += sock.recv(1 << 20)
                acks += received.count(b'"type":"ack"')
                assert b'"type":"error"' not in received, bytes(received[-300:])
                del received[: max(0, received.rfind(b"}"))]
    seconds = time.perf_counter() - begun
    sock.close()
    return seconds, time.process_time() - ours, server.cpu - theirs


def measure_peers(count: int) -> tuple[float, float]:
    """Measure this machine's disk, and a WebSocket server without a disk, with the same events in the same run.

    Returns:
        The events that SQLite commits in a second, and the processor seconds that `websockets` needs for all events.
    """
    events = [event(number % 10, number, "peer") for number in range(count)]
    rate = sqlite_commits(events, 1000)
    print(f"  {'SQLite, a thousand to a commit':<34} {rate:>9,.0f} events/s")
    with echoing() as echo:
        figures = ingest(echo, [frame(each) for each in events], count)
    print_figures("websockets, one to a frame, no disk", count, *figures)
    return rate, figures[2]


def measure_ingest(count: int) -> None:
    """One event to a frame, arrays, and batches by POST; beside peers."""
    rate, echo_cpu = measure_peers(count)
    for size, name in ((1, "one to a frame"), (10, "arrays of ten"), (100, "arrays of a hundred")):
        with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as server:
            start_jobs(server, [f"job_{job}" for job in range(10)])
            events = [event(number % 10, number, f"p{size}") for number in range(count)]
            if size == 1:
                frames = [frame(each) for each in events]
            else:
                frames = [frame(b"[" + b",".join(events[i : i + size]) + b"]") for i in range(0, count, size)]
            figures = ingest(server, frames, count)
            print_figures(f"/ws, {name}", count, *figures)
            if size == 1:
                print(f"    ours / websockets: {figures[2] / echo_cpu:.2f} of its CPU; goal: at most 2")
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as server:
        start_jobs(server, [f"job_{job}" for job in range(10)])
        posts: list[list[bytes]] = [[] for _ in range(4)]
        for number, first in enumerate(range(0, count, 1000)):
            events = [event(n % 10, n, f"post{number % 4}") for n in range(first, first + 1000)]
            posts[number % 4].append(post_batch(server.port, events))
        figures = post_all(server, posts)
        print_figures("POST /progress/batch, four at a time", count, *figures)
        print(f"    ours / SQLite: {count / figures[0] / rate:.2f} of its rate; goal: at least 0.25")


def measure_engines(count: int) -> None:
    """The same frames with the log in SQLite and in PostgreSQL, on the same disk, by turns."""
    with postgres_server() as postgres:
        for name in ("SQLite", "PostgreSQL") * 2:
            flags = ("--log", postgres.new_database()) if name == "PostgreSQL" else ()
            with tempfile.TemporaryDirectory() as directory, serving(Path(directory), *flags) as server:
                start_jobs(server, [f"job_{job}" for job in range(10)])
                events = [event(number % 10, number, "engine") for number in range(count)]
                print_figures(f"log in {name}", count, *ingest(server, [frame(each) for each in events], count))


def post_all(server: Server, posts: list[list[bytes]]) -> tuple[float, float, float]:
    """Send requests over a connection for each list, one after another; return as `ingest` does."""
    ready = selectors.DefaultSelector()
    for requests in posts:
        sock = socket.create_connection(("127.0.0.1", server.port))
        ready.register(sock, selectors.EVENT_READ, (requests[::-1], bytearray()))
    begun, ours, theirs = time.perf_counter(), time.process_time(), server.cpu
    for key in ready.get_map().values():
        key.fileobj.sendall(key.data[0].pop())  # type: ignore[union-attr] # a socket
    while ready.get_map():
        for key, _ in ready.select():
            assert isinstance(key.fileobj, socket.socket)
            sock, (requests, received) = key.fileobj, key.data
            received += sock.recv(1 << 20)
            head, found, body = received.partition(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            if not found or len(body) < int(length.partition(b":")[2]):
                continue
            assert b'"refused":0' in body, bytes(body[:300])
            received.clear()
            if requests:
                sock.sendall(requests.pop())
            else:
                ready.unregister(sock)
                sock.close()
    return time.perf_counter() - begun, time.process_time() - ours, server.cpu - theirs


def measure_ack(rate: int, seconds: float, *flags: str) -> None:
    """Measure the delay of acknowledgements at a steady pace."""
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory), *flags) as server:
        start_jobs(server, ["job_0"])
        sock = connect(server.port)
        sock.sendall(frame(b'{"type":"register","client_type":"bench","acks":true}'))
        time.sleep(0.3)
        sock.setblocking(False)
        frames = [frame(event(0, number, "pace")) for number in range(int(rate * seconds))]
        at: list[float] = []
        taken: list[float] = []
        received = bytearray()
        begun = time.perf_counter()
        while len(taken) < len(frames):
            present = time.perf_counter()
            due = min(len(frames), int((present - begun) * rate) + 1)
            if due > len(at):
                sock.setblocking(True)
                sock.sendall(b"".join(frames[len(at) : due]))
                sock.setblocking(False)
                at += [present] * (due - len(at))
            try:
                received += sock.recv(1 << 20)
            except BlockingIOError:
                time.sleep(0.0005)
                continue
            present = time.perf_counter()
            got = received.count(b'"type":"ack"')
            taken += [1000 * (present - begun_at) for begun_at in at[len(taken) : len(taken) + got]]
            del received[: max(0, received.rfind(b"}"))]
        cuts = statistics.quantiles(taken, n=100)
        print(f"  ack at {rate:,} events/s           p50 {cuts[49]:.1f}  p95 {cuts[94]:.1f}  p99 {cuts[98]:.1f} ms")


def measure_replay_and_restart(count: int) -> None:
    """A subscriber that resumes from the beginning, and a server that is killed and started again."""
    with tempfile.TemporaryDirectory() as directory:
        with serving(Path(directory)) as server:
            start_jobs(server, [f"job_{job}" for job in range(1000)])
            for first in range(0, count - 1000, 1000):
                body = b"[" + b",".join(event(n % 1000, n, "p") for n in range(first, first + 1000)) + b"]"
                server.post("/progress/batch", body)
            status = server.get("/ws/status")["position"]
            since = {"epoch": status["epoch"], "seq": 0}
            sock = connect(server.port)
            subscribe = {"type": "subscribe", "channels": ["jobs"], "since": since, "batch": True}
            begun = time.perf_counter()
            sock.sendall(frame(json.dumps(subscribe).encode()))
            found, received, last = 0, b"", f'"seq":{status["seq"]},'.encode()
            while last not in received:
                received = received[-200:] + sock.recv(1 << 20)
                found += received.count(b'"elapsed_seconds"', 200)
            seconds = time.perf_counter() - begun
            print(
                f"  replay to a resuming subscriber  {status['seq'] / seconds:>9,.0f} events/s "
                f"({status['seq']:,} in {seconds:.2f} s)"
            )
        begun = time.perf_counter()
        with serving(Path(directory)) as server:
            active = f"{server.get('/progress/active')['count']:,} active jobs"
            seconds = time.perf_counter() - begun
            print(f"  restart to the first answer      {seconds:>9.2f} s ({active})")


def measure_churn(jobs: int) -> None:
    """Memory while many jobs come and go."""
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory), "--max-jobs", "1000") as server:
        marks = []
        for first in range(0, jobs, 200):
            batch = []
            for job in range(first, first + 200):
                batch += [
                    {"type": "job_started", "job_id": f"j{job}"},
                    {"type": "job_progress", "job_id": f"j{job}", "stage": "exporting"},
                    {"type": "job_completed", "job_id": f"j{job}"},
                ]
            server.post("/progress/batch", json.dumps(batch).encode())
            if first % (jobs // 10) < 200:
                marks.append(server.memory / 2**20)
        size = sum(path.stat().st_size for path in Path(directory).glob("journal*")) / 2**20
        reported = " ".join(f"{mark:.0f}" for mark in marks)
        print(f"  memory over {jobs:,} jobs: {reported} MiB; the journal has {size:.0f} MiB")


def measure_growth(sizes: list[int]) -> None:
    """The cost of an event by how many are kept."""
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory), "--keep-events", "10000000") as server:
        start_jobs(server, [f"job_{job}" for job in range(10)])
        kept = 10
        for size in sizes:
            while kept < size:
                body = b"[" + b",".join(event(n % 10, n, "p") for n in range(kept, kept + 1000)) + b"]"
                server.post("/progress/batch", body)
                kept += 1000
            bodies = [
                b"[" + b",".join(event(n % 10, n, "p") for n in range(f, f + 1000)) + b"]"
                for f in range(kept, kept + 10_000, 1000)
            ]
            before = server.cpu
            for body in bodies:
                server.post("/progress/batch", body)
            kept += 10_000
            print(f"  {kept - 10_000:>9,} kept: {(server.cpu - before) / 10_000 * 1e6:.1f} µs of server CPU an event")


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true", help="a tenth of the load")
    asked.add_argument("--part", action="append", choices=["ingest", "engines", "ack", "recovery", "memory", "growth"])
    chosen = asked.parse_args()
    divisor = 10 if chosen.quick else 1
    parts = {
        "ingest": lambda: measure_ingest(200_000 // divisor),
        "engines": lambda: measure_engines(50_000 // divisor),
        "ack": lambda: measure_ack(5000, 5 / divisor),
        "recovery": lambda: measure_replay_and_restart(100_000 // divisor),
        "memory": lambda: measure_churn(100_000 // divisor),
        "growth": lambda: measure_growth([size // divisor for size in (10_000, 100_000, 1_000_000)]),
    }
    print(f"events of {EVENT_BYTES} bytes, acknowledged once they are on disk")
    for part in chosen.part or parts:
        print(part)
        parts[part]()


if __name__ == "__main__":
    main()
