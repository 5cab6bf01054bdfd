"""Kill the leader of three servers under load, stop it, and fail its database over; compare what everyone received.

    python -m tests.bench.torture_cluster --kills 200 --stops 20 --databases 10

Four reporters (WebSocket with acks, batches by curl, Lua, Python) report, and ten subscribers, spread over the three
servers, write down what they receive. The log is in PostgreSQL with a synchronous standby. After each fault, each
reporter must have a new report acknowledged, and each subscriber must have received it; at the end, all that they
wrote down is compared (`cluster_record.check`).
"""

import argparse
import logging
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from tests.bench.cluster_record import Acks, check, take_down
from tests.bench.cluster_reporters import (
    REPORTERS,
    report_by_curl,
    report_by_lua,
    report_by_python,
    report_by_websocket,
)
from tests.bench.cluster_servers import Member, find_leader
from tests.support.postgres_pair import PostgresPair, postgres_pair_of
from tests.support.resuming import by_sse, by_websocket
from tests.support.roaming import Roaming

SUBSCRIBERS = 10
ROUND_S = 120  # a longer round is stuck
LEASE_S = 3  # of the leader
COMMIT_S = 5  # the time that a commit waits for its standby
KILLED_TWICE = 0.1  # share of kills that also hit the next leader when it starts


class Torture:
    """All rounds."""

    def __init__(self, folder: Path, pair: PostgresPair, seed: int, pause_s: float) -> None:
        self.chance = random.Random(seed)
        self.members: list[Member] = []
        self.acks = Acks(folder / "acks", REPORTERS)
        self.subscribers: list[Roaming] = []
        self.failovers: list[float] = []
        self.unsafe = 0  # acknowledgements without a standby
        self._folder = folder
        self._pair = pair
        self._pause_s = pause_s

    @property
    def urls(self) -> list[str]:
        """The addresses of all servers."""
        return [member.url for member in self.members]

    @property
    def files(self) -> list[Path]:
        """The files that the subscribers write."""
        return [self._folder / f"subscriber-{number}" for number in range(SUBSCRIBERS)]

    async def run(self, rounds: list[str]) -> None:
        """Run rounds of these kinds."""
        log = self._pair.new_database()
        self.members = [Member(self._folder / f"server-{number}", log) for number in range(3)]
        try:
            leader = await find_leader(self.members)
            epoch = (await leader.get("/ws/status"))["position"]["epoch"]
            async with trio.open_nursery() as nursery:
                for number, path in enumerate(self.files):
                    urls = self.urls[number % 3 :] + self.urls[: number % 3]
                    subscriber = Roaming(urls, by_websocket if number % 5 < 3 else by_sse, epoch)
                    self.subscribers.append(subscriber)
                    nursery.start_soon(self._subscribe, subscriber, path)
                async with trio.open_nursery() as reporting:
                    urls, acks, pause_s = self.urls, self.acks, self._pause_s
                    reporting.start_soon(report_by_websocket, urls, acks, pause_s, self.chance)
                    reporting.start_soon(report_by_curl, urls[1:] + urls[:1], acks, pause_s, self.chance)
                    reporting.start_soon(report_by_lua, urls[2:] + urls[:2], acks, pause_s, self._folder)
                    reporting.start_soon(report_by_python, urls, acks, pause_s, self._folder)
                    for number, kind in enumerate(rounds, 1):
                        with trio.fail_after(ROUND_S):
                            await getattr(self, f"_{kind}")()
                        if number % 10 == 0:
                            print(f"{number} rounds, {self.acks.count} acks", flush=True)
                    reporting.cancel_scope.cancel()
                position = (await (await find_leader(self.members)).get("/ws/status"))["position"]
                self.acks.top = max(self.acks.top, position["seq"])
                await self._wait_received()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                for member in self.members:
                    await member.kill()
            self.acks.close()

    async def _subscribe(self, subscriber: Roaming, path: Path) -> None:
        with path.open("w") as file:

            def take(message: dict[str, object]) -> bool:
                file.write(take_down(message))
                self.acks.top = max(self.acks.top, subscriber.seq)
                return False

            await subscriber.read(take)

    async def _wait_received(self) -> None:
        """Wait until each subscriber has all messages that one of them or a reporter knows."""
        top = self.acks.top
        for subscriber in self.subscribers:
            await subscriber.wait(top)

    async def _recover(self, mark_all: trio.Event) -> None:
        await mark_all.wait()
        await self._wait_received()
        await trio.sleep(self.chance.uniform(0.05, 0.5))

    # ------------------------------------------------------------------ rounds

    async def _kill(self) -> None:
        """Kill the leader, start it again, and sometimes kill the next one too."""
        leader = await find_leader(self.members)
        mark, begun_s = self.acks.mark(), time.monotonic()
        await leader.kill()
        if self.chance.random() < KILLED_TWICE:
            leader.start()
            await trio.sleep(self.chance.uniform(0, 1.5))
            others = [member for member in self.members if member is not leader]
            with trio.move_on_after(2):
                leader = await find_leader(others)
                await leader.kill()
                leader.start()
        else:
            await mark.first.wait()
            self.failovers.append(time.monotonic() - begun_s)
            leader.start()
        await self._recover(mark.all)

    async def _stop(self) -> None:
        """Stop the leader for longer than its lease."""
        leader = await find_leader(self.members)
        leader.stop()
        mark = self.acks.mark()
        await trio.sleep(LEASE_S + self.chance.uniform(0.5, 4))
        await find_leader(self.members)
        leader.go_on()
        await self._recover(mark.all)

    async def _cut(self) -> None:
        """Kill the standby, without which nothing may be acknowledged."""
        await trio.to_thread.run_sync(self._pair.standby.kill)
        mark = self.acks.mark()
        await trio.sleep(COMMIT_S + self.chance.uniform(0.5, 2))
        self.unsafe += mark.first.is_set()
        await trio.to_thread.run_sync(self._pair.standby.start)
        await self._recover(mark.all)

    async def _promote(self) -> None:
        """Kill the primary, promote the standby, and let the old primary follow it."""
        await trio.to_thread.run_sync(self._pair.fail_over)
        mark = self.acks.mark()
        await trio.sleep(self.chance.uniform(0, 2))
        self.unsafe += mark.first.is_set()
        await trio.to_thread.run_sync(self._pair.rejoin)
        await self._recover(mark.all)


def print_figures(torture: Torture, rounds: Counter[str], problems: Counter[str], seconds: float) -> None:
    """Print the results."""
    print("rounds: " + ", ".join(f"{count} {kind}" for kind, count in rounds.items()))
    unrecovered = sum(subscriber.unrecovered for subscriber in torture.subscribers)
    connections = sum(subscriber.connections for subscriber in torture.subscribers)
    print(f"acks: {torture.acks.count}; messages: {torture.acks.top}; connections of subscribers: {connections}")
    if len(torture.failovers) > 1:
        cuts = statistics.quantiles(torture.failovers, n=20, method="inclusive")
        print(f"failover: p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, longest {max(torture.failovers):.2f} s")
    found = {"unrecovered": unrecovered, "unsafe": torture.unsafe, **problems}
    print("problems: " + (", ".join(f"{count} {name}" for name, count in found.items() if count) or "none"))
    print(f"{seconds:.0f} s", flush=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """Create a directory, and remove it unless the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="torture-cluster-"))
    try:
        yield folder
    except BaseException:
        print(f"see {folder}", flush=True)
        raise
    shutil.rmtree(folder)


def main() -> int:
    """Run the rounds in a random order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="rounds in which the leader is killed [200]")
    parser.add_argument("--stops", type=int, default=20, help="rounds in which it is stopped for a while [20]")
    parser.add_argument("--databases", type=int, default=10, help="rounds with the standby cut, and promoted [10 each]")
    parser.add_argument("--pause", type=float, default=0.03, help="seconds between reports of a reporter [0.03]")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    rounds = Counter(kill=chosen.kills, stop=chosen.stops, cut=chosen.databases, promote=chosen.databases)
    order = list(rounds.elements())
    random.Random(chosen.seed).shuffle(order)
    logging.disable()  # reporters warn of each fault
    begun_s = time.monotonic()
    with scratch() as folder, postgres_pair_of() as pair:
        torture = Torture(folder, pair, chosen.seed, chosen.pause)
        trio.run(torture.run, order)
        problems = check(torture.files, folder / "acks")
        print_figures(torture, rounds, problems, time.monotonic() - begun_s)
        if problems or torture.unsafe or any(subscriber.unrecovered for subscriber in torture.subscribers):
            raise SystemExit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
