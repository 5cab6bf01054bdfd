"""A record of all sent reports and received messages, which are compared at the end."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import trio

__all__ = ["Acks", "Mark", "check", "take_down"]


class Mark:
    """A moment, and whether reports that were sent after it have been acknowledged.

    Attributes:
        first: Set when one has been.
        all: Set when one of each producer has been.
    """

    def __init__(self, numbers: dict[str, int]) -> None:
        """Begin after these numbers of the producers."""
        self.first, self.all = trio.Event(), trio.Event()
        self._waiting = dict(numbers)

    def note(self, producer: str, number: int) -> None:
        """Record an acknowledgement."""
        if producer in self._waiting and number > self._waiting[producer]:
            del self._waiting[producer]
            self.first.set()
            if not self._waiting:
                self.all.set()


class Acks:
    """The reports that were sent and those that were acknowledged.

    Attributes:
        sent: The highest number that each producer has sent.
        acked: The highest number of each that was acknowledged.
        top: The highest position that a reporter or subscriber knows of.
        count: The number of acknowledgements.
    """

    def __init__(self, path: Path, producers: tuple[str, ...]) -> None:
        """Write to the file `path`."""
        self.sent = dict.fromkeys(producers, 0)
        self.acked = dict.fromkeys(producers, 0)
        self.top = self.count = 0
        self._file = path.open("w")
        self._before: dict[tuple[str, int], int] = {}  # `top` when a report was sent for the first time
        self._again: set[tuple[str, int]] = set()  # reports that were sent more than once
        self._mark = Mark({})

    def send(self, producer: str, number: int) -> None:
        """Record that a report is about to be sent."""
        if number > self.sent[producer]:
            self.sent[producer] = number
            self._before[producer, number] = self.top
        else:
            self._again.add((producer, number))

    def ack(self, producer: str, number: int, seq: int = 0) -> None:
        """Record that a report was acknowledged, as message `seq` if the answer has it."""
        self.top = max(self.top, seq)
        self.count += 1
        self.acked[producer] = max(self.acked[producer], number)
        before, again = self._before.pop((producer, number), 0), (producer, number) in self._again
        self._file.write(f"{producer} {number} {seq} {before} {again:d}\n")
        self._mark.note(producer, number)

    def mark(self) -> Mark:
        """Return a mark at this moment."""
        self._mark = Mark(self.sent)
        return self._mark

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Ack(NamedTuple):
    producer: str
    number: int
    seq: int
    before: int
    again: int


def take_down(message: dict[str, Any]) -> str:
    """Return the line for a message in a subscriber's file."""
    text = json.dumps(message, sort_keys=True).encode()
    digest = hashlib.blake2b(text, digest_size=8).hexdigest()
    producer, number = message["job_id"].partition("-")[0], 0
    for name in ("photo_info", "photo_data", "details", "result"):
        number = (message.get(name) or {}).get("number", number)
    return f"{message['epoch']} {message['seq']} {digest} {producer} {number}\n"


def _received(path: Path) -> Iterator[tuple[str, int, str, str, int]]:
    with path.open() as file:
        for line in file:
            epoch, seq, digest, producer, number = line.split()
            yield epoch, int(seq), digest, producer, int(number)


def check(subscribers: list[Path], acks: Path) -> Counter[str]:
    """Compare all files; return how often each problem was found.

    `gaps`, `repeats`, `epochs`: a subscriber missed messages, received one twice, or received another epoch.
    `disagreements`: two subscribers received different messages at one position.
    `lost`, `doubles`, `disordered`: a producer's number is missing although it or a later one was acknowledged, was
    recorded twice, or before an earlier one.
    `misplaced`: the acknowledged position has another message.
    `early`: a report is before a message that was known when it was sent.
    """
    problems = Counter[str]()
    log: dict[int, tuple[str, str, str, int]] = {}
    for path in subscribers:
        last = 0
        for epoch, seq, digest, producer, number in _received(path):
            problems["gaps"] += max(0, seq - last - 1)
            problems["repeats"] += seq <= last
            last = max(last, seq)
            problems["disagreements"] += log.setdefault(seq, (epoch, digest, producer, number))[1] != digest
    problems["epochs"] = max(0, len({entry[0] for entry in log.values()}) - 1)
    places: dict[str, dict[int, int]] = defaultdict(dict)
    for seq, (_, _, producer, number) in sorted(log.items()):
        found = places[producer]
        if number:
            problems["doubles"] += number in found
            problems["disordered"] += number not in found and number != len(found) + 1
            found[number] = seq
    with acks.open() as file:
        for line in file:
            words = line.split()
            ack = _Ack(words[0], *map(int, words[1:]))
            place = places[ack.producer].get(ack.number)
            if place is None:
                problems["lost"] += 1
                continue
            # The answer to a report that is sent again is the place of its producer's latest report of the job.
            problems["misplaced"] += ack.seq != place and bool(ack.seq) and not (ack.again and ack.seq > place)
            problems["early"] += place <= ack.before
    return +problems
