"""Kill a server at random moments under load, start it again, and compare what it acknowledged with what it has.

    python -m tests.bench.torture --rounds 200

Each round forks a server from this process, which has imported all of it and has no threads; lets reporters load it
over `/ws`; kills it; and, once the next one is up, reads the stream on from where it was read before. Each producer's
reports must be in it once each, in order, without a gap, and up to the last one that was acknowledged.
"""

import argparse
import http.client
import json
import os
import random
import selectors
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from phaseline_server.config.settings import Settings
from phaseline_server.http.routes import page
from phaseline_server.pictures import studio
from phaseline_server.runtime.server import run
from tests.support.raw_reporter import RawReporter

REPORTERS = 4
MOST_A_ROUND = 5000  # reports of one reporter
KILLED_EARLY = 0.1  # share of rounds with a kill before or when the server begins to listen


@dataclass
class Producer:
    """The reports that one producer has sent, in the order of their numbers, and their fate.

    Attributes:
        sent: The highest number that was ever sent.
        acked: The highest that was acknowledged.
        seqs: Of numbers that were acknowledged when they were sent for the first time: the event's number.
        found: The highest that was found in the stream.
        last_seq: Its event's number.
    """

    name: str
    sent: int = 0
    acked: int = 0
    seqs: dict[int, int] = field(default_factory=dict)
    found: int = 0
    last_seq: int = 0

    def job_id(self, number: int) -> str:
        """Return the job of a report; each job has forty."""
        return f"{self.name}-{(number - 1) // 40}"

    def report(self, number: int) -> dict[str, Any]:
        """Return the report of this number: a start, progress through phases, an end."""
        report: dict[str, Any] = {"job_id": self.job_id(number), "producer": self.name, "producer_seq": number}
        place = (number - 1) % 40
        if place == 0:
            return report | {"type": "job_started", "phases": ["one", "two"], "photo_info": {"number": number}}
        if place == 39:
            return report | {"type": "job_completed", "result": {"number": number}}
        phase = "one" if place < 20 else "two"
        return report | {"type": "job_progress", "stage": phase, "progress": 50, "details": {"number": number}}


def number_of(message: dict[str, Any]) -> int:
    """Return the number that a message in the stream carries."""
    for name in ("photo_info", "details", "result"):
        if "number" in (message.get(name) or {}):
            return int(message[name]["number"])
    raise AssertionError(message)


@dataclass
class Tally:
    """The results."""

    rounds: int = 0
    early: int = 0
    acks: int = 0
    events: int = 0
    lost: int = 0
    duplicates: int = 0
    misplaced: int = 0
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicates or self.misplaced)

    def table(self) -> str:
        """Return a line of names and a line of figures."""
        figures = {
            name: f"{value:.1f}" if isinstance(value, float) else str(value) for name, value in vars(self).items()
        }
        widths = {name: max(len(name), len(figure)) for name, figure in figures.items()}
        lines = ({name: name for name in figures}, figures)
        return "\n".join("  ".join(f"{line[name]:>{widths[name]}}" for name in figures) for line in lines)


class Server:
    """One server, in a child of this process."""

    def __init__(self, data_dir: Path) -> None:
        settings = Settings(
            bind=("127.0.0.1:0",),
            data_dir=str(data_dir),
            keep_events=100_000,
            history=500,
            log_level="error",
            max_reports=100_000_000,
        )
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._serve(settings, writing)
        os.close(writing)
        self.output = os.fdopen(reading)

    @staticmethod
    def _serve(settings: Settings, writing: int) -> NoReturn:
        code = 1
        try:
            os.dup2(writing, 2)
            code = run(settings, explicit_bind=True, explicit_data_dir=True)
        except BaseException as error:  # noqa: BLE001 - nothing of the parent's may run here
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)

    def port(self) -> int:
        """Return the port once it listens."""
        lines = []
        for line in self.output:
            if line.startswith("listening on "):
                return int(line.rpartition(":")[2])
            lines.append(line)
        raise AssertionError("the server did not start:\n" + "".join(lines))

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.output.close()


class Torture:
    """All rounds."""

    def __init__(self, data_dir: Path, seed: int, load_s: float) -> None:
        self._data_dir = data_dir
        self._load_s = load_s
        self._chance = random.Random(seed)
        self._producers = {f"p{number}": Producer(f"p{number}") for number in range(REPORTERS)}
        self._position = ("", 0)
        self.tally = Tally()

    def round(self) -> None:
        """Start a server, verify its data, put it under load, and kill it."""
        server = Server(self._data_dir)
        self.tally.rounds += 1
        try:
            if self._chance.random() < KILLED_EARLY:
                self.tally.early += 1
                time.sleep(self._chance.uniform(0, 0.3))
                return
            port = server.port()
            self._verify(port)
            self._load(port, server)
        finally:
            server.kill()

    def finish(self) -> None:
        """Verify the data after the last round."""
        server = Server(self._data_dir)
        try:
            self._verify(server.port())
        finally:
            server.kill()

    def _load(self, port: int, server: Server) -> None:
        reporters = {}
        with selectors.DefaultSelector() as selector:
            for name, producer in self._producers.items():
                reporter = reporters[name] = RawReporter(port)
                selector.register(reporter.socket, selectors.EVENT_READ, producer)
            begun = {name: (producer.acked, producer.sent) for name, producer in self._producers.items()}
            going = {name: producer.acked for name, producer in self._producers.items()}
            end = None
            while end is None or time.monotonic() < end:
                for name, producer in self._producers.items():
                    upto = min(producer.acked + self._chance.randint(1, 60), begun[name][0] + MOST_A_ROUND)
                    reporters[name].send([producer.report(number) for number in range(going[name] + 1, upto + 1)])
                    going[name] = max(going[name], upto)
                    producer.sent = max(producer.sent, going[name])
                for key, _ in selector.select(None if end is None else max(0.0, end - time.monotonic())):
                    self._take(key.data, reporters[key.data.name].receive(), begun[key.data.name][1])
                    if end is None and key.data.acked > begun[key.data.name][0]:
                        end = time.monotonic() + self._chance.uniform(0.02, self._load_s)
            os.kill(server.pid, signal.SIGKILL)
            # Acknowledgements sent before the kill are recorded.
            for name, reporter in reporters.items():
                self._take(self._producers[name], reporter.rest(), begun[name][1])
                reporter.close()

    def _take(self, producer: Producer, messages: list[dict[str, Any]], sent_before: int) -> None:
        for message in messages:
            assert message["type"] == "ack", message
            number = message["producer_seq"]
            assert number == producer.acked + 1, f"{producer.name}: {number} acknowledged after {producer.acked}"
            producer.acked = number
            self.tally.acks += 1
            if number > sent_before:
                producer.seqs[number] = message["seq"]

    def _verify(self, port: int) -> None:
        while self._read_page(port):
            pass
        for producer in self._producers.values():
            self.tally.lost += max(0, producer.acked - producer.found)
            if producer.found:
                job = _get(port, f"/progress/job/{producer.job_id(producer.found)}")["job_status"]
                done = producer.found % 40 == 0
                self.tally.misplaced += (job["seq"], job["state"]) != (
                    producer.last_seq,
                    "completed" if done else "active",
                )
            # A report that was stored without an acknowledgement is not sent again as a new one.
            producer.seqs.clear()

    def _read_page(self, port: int) -> bool:
        epoch, seq = self._position
        since = f"since={epoch}/{seq}&" if epoch else ""
        page = _get(port, f"/progress/events?{since}limit=5000")
        assert page["recovered"] is True, page["position"]
        for message in page["messages"]:
            seq += 1
            self.tally.events += 1
            self.tally.misplaced += message["seq"] != seq or message["epoch"] != page["position"]["epoch"]
            producer, number = self._producers[message["job_id"].partition("-")[0]], number_of(message)
            if number <= producer.found:
                self.tally.duplicates += 1
                continue
            self.tally.lost += number - producer.found - 1
            self.tally.misplaced += producer.seqs.get(number, seq) != seq
            producer.found, producer.last_seq = number, seq
        assert not epoch or epoch == page["position"]["epoch"], "the epoch has changed"
        self._position = (page["position"]["epoch"], seq)
        return bool(page["messages"])


def _get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)
    finally:
        connection.close()


def torture(rounds: int, data_dir: Path, seed: int, load_s: float) -> Tally:
    """Run rounds on one data directory, each under load for at most `load_s`; print a line every fifty rounds."""
    torments, begun = Torture(data_dir, seed, load_s), time.monotonic()
    for number in range(1, rounds + 1):
        torments.round()
        torments.tally.seconds = time.monotonic() - begun
        if number % 50 == 0 and number < rounds:
            print(f"{number} rounds, {torments.tally.acks} acks, {torments.tally.lost} lost", flush=True)
    torments.finish()
    torments.tally.seconds = time.monotonic() - begun
    return torments.tally


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--load", type=float, default=0.3, help="Maximum seconds of load before a kill. [0.3]")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"seed {chosen.seed}", flush=True)
    data_dir = Path(tempfile.mkdtemp(prefix="torture-"))
    page._documents()  # each server would load them
    studio._tls()
    tally = torture(chosen.rounds, data_dir, chosen.seed, chosen.load)
    print(tally.table(), flush=True)
    if not tally.well:
        print(f"see {data_dir}", flush=True)
        return 1
    shutil.rmtree(data_dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
