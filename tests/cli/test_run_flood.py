"""More output than can be parsed: every byte passes, and the parser gets complete parts of it, always with the end."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from phaseline_cli.run.spawn import PIPE, Stream
from phaseline_cli.run.tee import OFFERED, Tee

DATA = 10 * b"".join(b"%d\n" % number for number in range(100_000, 200_000))  # repeats after more than is offered


def flood(target: int) -> tuple[Tee, list[tuple[float, str, bytes]]]:
    """Write data faster than it is parsed; return the tee and its offered data at the end."""
    source, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(DATA)

    writer = threading.Thread(target=write)
    writer.start()
    tee = Tee([Stream("stdout", source, target)])
    writer.join()
    tee.command_ended()
    return tee, list(tee.take())


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many bytes the kernel moves each time."""
    sizes, splice = [], os.splice

    def counted(source: int, target: int, count: int) -> int:
        sizes.append(splice(source, target, count))
        return sizes[-1]

    monkeypatch.setattr(os, "splice", counted)
    return sizes


def test_a_flood_passes_unread_and_its_end_is_parsed(moved: list[int]) -> None:
    reading, target = os.pipe()
    got = bytearray()

    def read() -> None:
        while piece := os.read(reading, 1 << 16):
            got.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    tee, offered = flood(target)
    os.close(target)
    reader.join()
    os.close(reading)
    assert bytes(got) == DATA
    assert sum(moved) > 0
    parsed = b"".join(data for _, _, data in offered)
    assert 0 < len(parsed) <= OFFERED
    assert DATA.endswith(parsed), "one part without a gap"
    assert tee.lost + len(parsed) == len(DATA)


def test_a_flood_into_a_file_that_is_appended_to_passes_too(tmp_path: Path, moved: list[int]) -> None:
    (tmp_path / "log").write_bytes(b"before\n")
    with (tmp_path / "log").open("ab") as file:
        tee, _ = flood(file.fileno())
    assert (tmp_path / "log").read_bytes() == b"before\n" + DATA
    assert sum(moved) == 0
    assert tee.unwritten == ""
