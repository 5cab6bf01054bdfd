"""Journals made by hand, and read without the code that writes them."""

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from phaseline.model.snapshot import Moment
from phaseline.stream import JOBS, Message, job_channel
from phaseline_server.log.batch import Batch

NAME = "journal.sqlite3"


def messages(first: int, last: int, size: int = 0) -> tuple[Message, ...]:
    """Return the messages of these numbers, at least `size` bytes each."""
    channels = frozenset({JOBS, job_channel("a")})
    pads = random.Random(first)  # random, so that it can't be compressed
    return tuple(
        Message(
            seq,
            "job_progress",
            "a",
            channels,
            b'{"seq":%d,"pad":"%s"}' % (seq, pads.randbytes(size // 2).hex().encode()),
        )
        for seq in range(first, last + 1)
    )


def batch(first: int, last: int, *, at_ns: int = 1, size: int = 0, **more: Any) -> Batch:
    """Return a group with the messages of these numbers, and with other parts."""
    return Batch(at=Moment(at_ns, at_ns), messages=messages(first, last, size), **more)


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables of the journal at `path`, which may be open."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in tables}  # noqa: S608


def crashed(data_dir: Path, copy: Path) -> Path:
    """Copy the files of an open journal to the new directory `copy`, as a crash at this moment would leave them."""
    copy.mkdir()
    for path in data_dir.glob("journal.*"):
        if not path.name.endswith("-shm"):  # which is only memory, and rebuilt
            shutil.copy(path, copy / path.name)
    served_last(copy)
    return copy


def served_last(data_dir: Path) -> None:
    """Make a copied journal appear to be the file that was served last: a crash would have left the same inode."""
    lock = data_dir / "journal.lock"
    marker = json.loads(lock.read_bytes())
    lock.write_text(json.dumps({**marker, "inode": (data_dir / NAME).stat().st_ino}))
