"""How long fan-out blocks the event loop, with immediate writes and with slices.

Figures are CPU time of the loop's thread, so that other programs on the machine hardly change them.
"""

import argparse
import resource
import time
from contextlib import ExitStack
from functools import partial

import trio
import trio.testing

from phaseline.stream import JOBS, Message
from phaseline_server.door.limits import Limits
from phaseline_server.door.outgoing import Outgoing
from phaseline_server.fanout.broadcaster import Broadcaster
from phaseline_server.runtime.server import tune_interpreter
from tests.bench.bench_fanout import LOAD, SUBSCRIBE, Load, program, row, running

ROUNDS = 20
PAYLOAD = b'{"x":"' + b"x" * 290 + b'"}'


class Sink:
    """A socket that accepts everything."""

    queued = 0

    def __init__(self, writer: Outgoing) -> None:
        self.writer = writer

    async def wait_flushed(self) -> None:
        """Return at once: nothing waits."""
        await trio.lowlevel.checkpoint()

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:
        """Fail: no subscriber is slow."""
        raise AssertionError(f"ended with {code} {reason!r}, {drop=}")


async def measure(count: int, *, sliced: bool, batch: bool) -> None:
    """Publish to `count` subscribers, and print the longest turn of another task."""
    broadcaster, turns = Broadcaster(), list[float]()
    channels = frozenset({JOBS, "job:x"})

    async def watch() -> None:
        while True:
            begun = time.thread_time()
            await trio.lowlevel.checkpoint()
            turns.append(time.thread_time() - begun)

    with ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                ours, theirs = (stack.enter_context(end) for end in trio.socket.socketpair())
                writer = Outgoing(trio.SocketStream(ours), Limits(), nursery.start_soon, lambda: None)
                subscriber = stack.enter_context(broadcaster.attach(Sink(writer), [JOBS], 1000))
                subscriber.form(batch=batch, coalesce_s=0)
                stack.callback(theirs.close)
            if sliced:
                nursery.start_soon(broadcaster.run)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(watch)
            begun = time.thread_time()
            for number in range(1, ROUNDS + 1):
                broadcaster.publish(Message(number, "x", "x", channels, PAYLOAD))
                while broadcaster._delivered < number * count:  # `statistics` takes longer than a slice
                    await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()
            each = 1e6 * (time.thread_time() - begun) / ROUNDS / count
            nursery.cancel_scope.cancel()
    form = "arrays" if batch else "messages"
    print(f"{form:<10}{'in slices' if sliced else 'at once':<12}{1e3 * max(turns):>12.1f}{each:>16.2f}", flush=True)


def acks(load: Load) -> None:
    """Print how long the ack of a report takes beside idle subscribers, and beside none."""
    row("acks of 100 reports/s", "p50 ms", "p99 ms", "missing", "server's share", "without a core")
    with program("phaseline") as (server, port):
        for subscribers in (0, 1000, 8000):
            for _ in range(subscribers // 1000):
                load.ask("connect", count=1000, port=port, path="/ws", say=SUBSCRIBE, until="subscription_confirmed")
            cpu, waited, begun = server.cpu, server.waited, time.monotonic()
            found = load.ask("acks", seconds=10, rate=100, port=port)
            elapsed = time.monotonic() - begun
            shares = (server.cpu - cpu) / elapsed, (server.waited - waited) / elapsed
            cells = [f"{found['p50']:.1f}", f"{found['p99']:.1f}", str(found["missing"])]
            row(f"  {subscribers} subscribers", *cells, *(f"{share:.2f}" for share in shares))
            load.ask("leave")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=8000)
    parser.add_argument("--acks", action="store_true", help="also measure acks of a server beside idle subscribers")
    chosen = parser.parse_args()
    count = chosen.subscribers
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tune_interpreter()
    print(f"{count} subscribers           longest turn ms    µs CPU/frame")
    for batch in (False, True):
        for sliced in (False, True):
            trio.run(partial(measure, count, sliced=sliced, batch=batch))
    if chosen.acks:
        with running(LOAD, Load) as load:
            acks(load)


if __name__ == "__main__":
    main()
