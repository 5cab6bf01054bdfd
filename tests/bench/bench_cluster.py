"""Servers that share a log in PostgreSQL with a synchronous standby: ingest, acks, lag, failover, fan-out.

All of it runs on one machine: two databases, up to three servers, and the load in this process. The databases use
fsync. The peers are the same server with SQLite, and psycopg alone, which inserts the same bytes into a table.
"""

import argparse
import selectors
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import trio

from tests.bench.bench_journal import ingest, measure_ack, print_figures
from tests.bench.cluster_servers import Member, find_leader
from tests.bench.installed import Server, connect, event, frame, serving, start_jobs
from tests.support.postgres_pair import PostgresPair, postgres_pair_of

GROUP = 1000
SEQ = b'"seq":'
LAG = "p99 at most 100"


def print_times(name: str, times_ms: Sequence[float], goal: str = "") -> None:
    """Print the median and the worst of some times."""
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    print(f"  {name:<34} p50 {cuts[49]:.0f}  p95 {cuts[94]:.0f}  p99 {cuts[98]:.0f} ms{goal and '; goal: '}{goal}")


def psycopg_commits(url: str, events: Sequence[bytes]) -> float:
    """Return the events that psycopg alone commits in a second, a thousand at a time, each a row."""
    with psycopg.connect(url, target_session_attrs="read-write", autocommit=True) as connection:
        connection.execute("CREATE TABLE events (seq bigint PRIMARY KEY, body bytea)")
        begun = time.perf_counter()
        for first in range(0, len(events), GROUP):
            rows = events[first : first + GROUP]
            connection.execute(
                "INSERT INTO events SELECT * FROM unnest(%s::bigint[], %b::bytea[])",
                (list(range(first, first + len(rows))), rows),
            )
        return len(events) / (time.perf_counter() - begun)


def measure_acks(pair: PostgresPair, rate: int, seconds: float) -> None:
    """Measure the delay of acknowledgements at a steady pace, in turns with SQLite; and psycopg's own commits."""
    with psycopg.connect(pair.new_database(), target_session_attrs="read-write", autocommit=True) as connection:
        connection.execute("CREATE TABLE events (seq bigint PRIMARY KEY, body bytea)")
        begun, times = time.perf_counter(), list[float]()
        while time.perf_counter() < begun + seconds / 2:
            before = time.perf_counter()
            connection.execute("INSERT INTO events VALUES (%s, %b)", (len(times), event(0, len(times), "peer")))
            times.append(1000 * (time.perf_counter() - before))
    print_times("psycopg, a row to a commit", times)
    for name in ("SQLite", "PostgreSQL") * 2:
        flags = ("--log", pair.new_database()) if name == "PostgreSQL" else ()
        print(f"  log in {name}:")
        measure_ack(rate, seconds / 2, *flags)
    print("    goal: p99 at most 50 ms")


def measure_ingest(pair: PostgresPair, count: int) -> None:
    """Durable reports a second over one WebSocket, one to a frame and in arrays of ten, by turns with SQLite."""
    peer = psycopg_commits(pair.new_database(), [event(number % 10, number, "peer") for number in range(count)])
    print(f"  {'psycopg, a thousand rows to a commit':<34} {peer:>9,.0f} events/s")
    for size in (1, 10):
        for name in ("SQLite", "PostgreSQL", "SQLite", "PostgreSQL"):
            flags = ("--log", pair.new_database()) if name == "PostgreSQL" else ()
            with tempfile.TemporaryDirectory() as directory, serving(Path(directory), *flags) as server:
                start_jobs(server, [f"job_{job}" for job in range(10)])
                events = [event(number % 10, number, "engine") for number in range(count)]
                arrays = [b"[" + b",".join(events[i : i + size]) + b"]" for i in range(0, count, size)]
                figures = ingest(server, [frame(each) for each in (events if size == 1 else arrays)], count)
                print_figures(f"log in {name}, {size} to a frame", count, *figures)
                if name == "PostgreSQL":
                    print(f"    ours / psycopg: {count / figures[0] / peer:.2f} of its rate; goal: 15,000 events/s")


@contextmanager
def group(pair: PostgresPair, size: int) -> Iterator[list[Server]]:
    """Run servers that share a log; the first one leads, and the others follow it."""
    url = pair.new_database()
    with ExitStack() as stack:
        servers: list[Server] = []
        for _ in range(size):
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            servers.append(stack.enter_context(serving(Path(directory), "--log", url)))
        start_jobs(servers[0], [f"job_{job}" for job in range(10)])
        while any(follows_less(server, servers[0]) for server in servers):
            time.sleep(0.05)
        yield servers


def follows_less(server: Server, leader: Server) -> bool:
    """Return whether a server lacks messages of the leader."""
    try:
        position: Any = server.get("/ws/status")["position"]
    except OSError:  # it begins to follow
        return True
    return bool(position != leader.get("/ws/status")["position"])


def subscribed(server: Server) -> socket.socket:
    """Return the socket of a new subscriber, which has received its confirmation."""
    sock = connect(server.port)
    sock.sendall(frame(b'{"type":"subscribe","channels":["jobs"]}'))
    received = b""
    while b"subscription_confirmed" not in received:
        received += sock.recv(65536)
    return sock


def measure_lag(pair: PostgresPair, rate: int, seconds: float) -> None:
    """Measure how much later a subscriber of a follower receives a message than one of the leader."""
    with group(pair, 2) as (leader, follower):
        print_times(f"lag of a follower at {rate:,} events/s", lags_ms(leader, follower, rate, seconds), LAG)


def measure_mirror(rates: Sequence[int], seconds: float) -> None:
    """Measure how much later a subscriber of a mirror receives a message than one of its source, and the costs."""
    for rate in rates:
        with ExitStack() as stack:
            source, mirror = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
            one = stack.enter_context(serving(source))
            start_jobs(one, [f"job_{job}" for job in range(10)])
            other = stack.enter_context(serving(mirror, "--follow", f"http://127.0.0.1:{one.port}"))
            while follows_less(other, one):
                time.sleep(0.05)
            before = one.cpu, other.cpu
            print_times(f"lag of a mirror at {rate:,} events/s", lags_ms(one, other, rate, seconds))
            for name, cpu in (("source", one.cpu - before[0]), ("mirror", other.cpu - before[1])):
                each = cpu / (rate * seconds) * 1e6
                print(f"    {name}: {cpu / seconds:.0%} of a processor, {each:.0f} µs for each message")


def lags_ms(first: Server, second: Server, rate: int, seconds: float) -> list[float]:
    """Return how much later a subscriber of `second` receives each message than one of `first`, to which it is sent."""
    with selectors.DefaultSelector() as wanted, ExitStack() as stack:
        seen: list[list[float]] = [[], []]
        for server, times in zip((first, second), seen, strict=True):
            wanted.register(stack.enter_context(subscribed(server)), selectors.EVENT_READ, times)
        reporter, count = stack.enter_context(connect(first.port)), int(rate * seconds)
        begun, sent = time.perf_counter(), 0
        while len(seen[0]) < count or len(seen[1]) < count:
            due = min(count, int((time.perf_counter() - begun) * rate) + 1)
            reporter.sendall(b"".join(frame(event(0, number, "lag")) for number in range(sent, due)))
            sent = due
            for key, _ in wanted.select(0.001):
                received = key.fileobj.recv(1 << 20)  # type: ignore[union-attr] # a socket
                key.data.extend([time.perf_counter()] * received.count(SEQ))
        return [1000 * (late - early) for early, late in zip(*seen, strict=False)]


def measure_fanout(pair: PostgresPair, subscribers: int, rate: int, seconds: float) -> None:
    """The processor time of a delivered message, by one server and by three that have as many subscribers each."""
    costs = [cost for size in (1, 3) for cost in fan_out(pair, size, subscribers, rate, seconds)]
    names = ("one server", "the leader of three", "a follower of it", "the other follower")
    for name, cost in zip(names, costs, strict=True):
        print(f"  {name:<34} {cost * 1e6:6.1f} µs for each delivered message")
    print(f"    three / one, with a core for each server: {sum(costs[0] / cost for cost in costs[1:]):.1f}; goal: 3")


def fan_out(pair: PostgresPair, size: int, subscribers: int, rate: int, seconds: float) -> list[float]:
    """Return the processor seconds of each server for a message that it delivers."""
    with group(pair, size) as servers, selectors.DefaultSelector() as wanted, ExitStack() as stack:
        for server in servers:
            for _ in range(subscribers):
                wanted.register(stack.enter_context(subscribed(server)), selectors.EVENT_READ)
        reporter = stack.enter_context(connect(servers[0].port))
        before, count = [server.cpu for server in servers], int(rate * seconds)
        begun, sent, received = time.perf_counter(), 0, 0
        while received < count * subscribers * size:
            due = min(count, int((time.perf_counter() - begun) * rate) + 1)
            reporter.sendall(b"".join(frame(event(n % 10, n, "fan-out")) for n in range(sent, due)))
            sent = due
            for key, _ in wanted.select(0.01):
                received += key.fileobj.recv(1 << 20).count(SEQ)  # type: ignore[union-attr] # a socket
        return [(server.cpu - cpu) / (count * subscribers) for server, cpu in zip(servers, before, strict=True)]


async def measure_failover(pair: PostgresPair, kills: int) -> None:
    """The time from the death of the leader to the first acknowledgement by another one."""
    url, times = pair.new_database(), []
    with tempfile.TemporaryDirectory() as directory:
        members = [Member(Path(directory) / str(number), url) for number in range(3)]
        try:
            for number in range(kills):
                leader = await find_leader(members)
                others = [member for member in members if member is not leader]
                for other in others:
                    while (await other.get("/health") or {}).get("leader") != leader.url:  # noqa: ASYNC110 (no event)
                        await trio.sleep(0.02)
                begun = time.perf_counter()
                await leader.kill()
                await report(others[number % 2].url, number)
                times.append(1000 * (time.perf_counter() - begun))
                leader.start()
        finally:
            with trio.CancelScope(shield=True):
                for member in members:
                    await member.kill()
    print_times(f"failover, {kills} kills", times, "p95 at most 5000")


async def report(url: str, number: int) -> None:
    """Report until a report is accepted, also if its answer is lost."""
    job = {"job_id": f"job-{number}", "producer": "bench", "producer_seq": number + 1}
    async with httpx.AsyncClient(timeout=5, trust_env=False, verify=False) as client:
        while True:
            try:
                answer = await client.post(f"{url}/progress/start", json=job)
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                return
            await trio.sleep(0.01)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    parser.add_argument("--part", action="append", choices=["ingest", "ack", "lag", "mirror", "failover", "fanout"])
    chosen = parser.parse_args()
    divisor = 10 if chosen.quick else 1
    with postgres_pair_of() as pair:
        parts = {
            "ingest": lambda: measure_ingest(pair, 50_000 // divisor),
            "ack": lambda: measure_acks(pair, 2000, 10 / divisor),
            "lag": lambda: measure_lag(pair, 200, 20 / divisor),
            "mirror": lambda: measure_mirror((200, 2000), 20 / divisor),
            "failover": lambda: trio.run(measure_failover, pair, max(3, 20 // divisor)),
            "fanout": lambda: measure_fanout(pair, 20, 200, 20 / divisor),
        }
        for part in chosen.part or parts:
            print(part, flush=True)
            parts[part]()


if __name__ == "__main__":
    main()
