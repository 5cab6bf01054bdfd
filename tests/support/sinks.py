"""A sink of frames that keeps what it is given."""

import json
from dataclasses import dataclass, field
from typing import Any

import trio


@dataclass
class Heap:
    """A sink, and its writer, that keeps its data; it is full while `full` is set."""

    written: list[bytes] = field(default_factory=list)
    closed: list[tuple[int, bool]] = field(default_factory=list)
    full: bool = False
    queued: int = 0
    fd: int = -1

    @property
    def writer(self) -> "Heap":
        return self

    def write(self, frames: bytes, count: int = 0) -> bool:
        if self.full and count:
            return False
        self.written.append(frames)
        return True

    def finish(self, frames: bytes, size: int) -> None:
        raise AssertionError(f"it has no socket that could take {size} of {len(frames)} bytes")

    async def wait_flushed(self) -> None:
        await trio.lowlevel.checkpoint()

    def close(self, code: int, reason: str = "", *, drop: bool = False) -> None:  # noqa: ARG002 (not kept)
        self.closed.append((code, drop))

    @property
    def payloads(self) -> list[Any]:
        """The frames' documents, which are short here."""
        rest, found = b"".join(self.written), []
        while rest:
            length, start = (rest[1], 2) if rest[1] < 126 else (int.from_bytes(rest[2:4], "big"), 4)
            found.append(json.loads(rest[start : start + length]))
            rest = rest[start + length :]
        return found


def seqs(heap: Heap) -> list[int]:
    arrays = [document if isinstance(document, list) else [document] for document in heap.payloads]
    return [document["seq"] for array in arrays for document in array]
