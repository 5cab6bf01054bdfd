"""What the journal knows of earlier runs: states that were learned, and the runs to learn them from anew."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from phaseline.errors import JournalUnusable
from phaseline_server.log.sqlite.failures import opening

__all__ = ["Failure", "Learned", "Lessons", "Outcomes", "PastRun", "Slow", "read_only"]


class PastRun(NamedTuple):
    """A run that teaches, as the journal has it; times in nanoseconds, by the wall's clock."""

    ended_ns: int
    duration_ns: int
    body: bytes


def read_only(path: Path, limit: int = 1_000_000) -> tuple[list[PastRun], dict[tuple[str, str], bytes]]:
    """Return the runs and the states of a journal, whether or not a server has it open.

    Raises:
        JournalUnusable: It is not there, or is no journal of this version.
    """
    if not path.is_file():
        text = f"{path} is not there; allowed: a data directory that a server has used"
        raise JournalUnusable(text)
    with opening(path), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        runs = connection.execute(
            "SELECT at_ns, duration_ns, body FROM runs WHERE body IS NOT NULL ORDER BY seq LIMIT ?", (limit,)
        ).fetchall()
        states = connection.execute("SELECT kind, key, state FROM learned").fetchall()
    return [PastRun(*row) for row in runs], {(kind, key): state for kind, key, state in states}


class Lessons(NamedTuple):
    """What a run teaches: a `Run`, encoded, and the number of the event that ended it."""

    seq: int
    workflow: str
    series: str
    body: bytes


class Learned(NamedTuple):
    """All that estimates start with.

    Attributes:
        states: What was learned, by kind and key.
        runs: Each run that teaches, oldest first.
        durations: Workflow, series, phase and nanoseconds of each phase that ended well, oldest first.
    """

    states: dict[tuple[str, str], bytes]
    runs: list[Lessons]
    durations: list[tuple[str, str, str, int]]

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Self:
        """Read it all."""
        states = connection.execute("SELECT kind, key, state FROM learned").fetchall()
        runs = connection.execute(
            "SELECT seq, workflow, series, body FROM runs WHERE body IS NOT NULL ORDER BY seq"
        ).fetchall()
        durations = connection.execute(
            "SELECT workflow, series, phase, duration_ns FROM durations ORDER BY id"
        ).fetchall()
        return cls(
            {(kind, key): state for kind, key, state in states},
            [Lessons(*row) for row in runs],
            durations,
        )


class Failure(msgspec.Struct, frozen=True):
    """So many runs of a workflow failed in a phase."""

    workflow: str
    phase: str
    count: int


class Slow(msgspec.Struct, frozen=True):
    """A run that took long."""

    job_id: str
    workflow: str
    series: str
    duration_ns: int
    ended_ns: int


class Outcomes(NamedTuple):
    """How runs ended: where they failed, the most frequent first; and which took longest."""

    failures: list[Failure]
    slowest: list[Slow]

    @classmethod
    def read(cls, connection: sqlite3.Connection, most: int) -> Self:
        """Read both."""
        failures = connection.execute(
            "SELECT workflow, phase, count(*) FROM runs WHERE state = 'failed' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT ?",
            (most,),
        ).fetchall()
        slowest = connection.execute(
            "SELECT job_id, workflow, series, duration_ns, at_ns FROM runs WHERE body IS NOT NULL "
            "ORDER BY duration_ns DESC LIMIT ?",
            (most,),
        ).fetchall()
        return cls([Failure(*row) for row in failures], [Slow(*row) for row in slowest])
