"""Reference programs for the benchmarks, started in the same run: the machine's speed varies, but ratios hardly do.

python -m tests.bench.peers echo     serve `websockets`, which acknowledges each message and stores nothing
python -m tests.bench.peers table    show Textual's own DataTable, with 100 of 1,000 rows changing ten times a second
"""

import asyncio
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.installed import cpu_of
from tests.support.servers import environment

ACK = '{"type":"ack"}'


def seconds(command: Sequence[str]) -> float:
    """Return how long a program takes to run, in seconds."""
    begun = time.perf_counter()
    subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - begun


def in_turns(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each command, run in turns so that the machine's load affects all of them."""
    taken = [{name: seconds(command) for name, command in commands.items()} for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in taken) for name in commands}


def sqlite_commits(events: list[bytes], group: int) -> float:
    """Return how many events a second SQLite commits durably, `group` of them in a transaction."""
    with tempfile.TemporaryDirectory() as directory:
        database = sqlite3.connect(Path(directory) / "peer.sqlite3", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE packs (data BLOB)")
        begun = time.perf_counter()
        for first in range(0, len(events), group):
            database.execute("BEGIN")
            database.execute("INSERT INTO packs VALUES (?)", (b"".join(events[first : first + group]),))
            database.execute("COMMIT")
        taken = time.perf_counter() - begun
        database.close()
    return len(events) / taken


class Echo:
    """A server of `websockets` in a separate process."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    @property
    def cpu(self) -> float:
        """Seconds on a core so far, of all threads."""
        return cpu_of(self.process.pid)


@contextmanager
def echoing() -> Iterator[Echo]:
    """Run `echo` for the length of the block."""
    command = [sys.executable, "-m", "tests.bench.peers", "echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            yield Echo(process, int(process.stdout.readline()))
        finally:
            process.kill()


async def echo() -> None:
    """Acknowledge each message."""
    from websockets.asyncio.server import ServerConnection, serve  # noqa: PLC0415 - not needed by the others
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

    async def handle(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in connection:
                await connection.send(ACK)

    async with serve(handle, "127.0.0.1", 0) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


def table() -> None:
    """Show a table of 1,000 rows."""
    from textual.app import App, ComposeResult  # noqa: PLC0415 - not needed by the others
    from textual.widgets import DataTable  # noqa: PLC0415

    class Table(App[None]):
        def compose(self) -> ComposeResult:
            yield DataTable()

        def on_mount(self) -> None:
            rows = self.query_one(DataTable)
            for name in ("job", "phase", "percent", "left"):
                rows.add_column(name, key=name)
            for number in range(1000):
                rows.add_row(f"IMG_{number:05}.CR3", "ai_evaluation", "0 %", "1:00", key=str(number))
            self.set_interval(0.1, self.change)

        def change(self) -> None:
            rows = self.query_one(DataTable)
            for number in random.sample(range(1000), 100):
                rows.update_cell(str(number), "percent", f"{random.randrange(100)} %")
                rows.update_cell(str(number), "left", f"0:{random.randrange(60):02}")

    Table().run()


if __name__ == "__main__":
    if sys.argv[1:] == ["echo"]:
        asyncio.run(echo())
    else:
        table()
