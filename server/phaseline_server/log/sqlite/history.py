"""Earlier runs in the journal, read for a running server or, read-only, for a command."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from phaseline_server.errors import JournalUnusable
from phaseline_server.log.learned import MOST_WORKFLOWS, EncodedRun, Learned, Outcomes, PhaseFailures, SlowRun
from phaseline_server.log.sqlite.failures import opening
from phaseline_server.log.sqlite.file import NAME

__all__ = ["History", "PastRun", "find_journal", "read_history", "read_learned", "read_outcomes"]


class PastRun(NamedTuple):
    """A run to learn from; times in nanoseconds, by the wall clock."""

    ended_ns: int
    duration_ns: int
    body: bytes


class History(NamedTuple):
    """The runs to learn from, oldest first, and the learned states by kind and key."""

    runs: list[PastRun]
    states: dict[tuple[str, str], bytes]


def find_journal(path: Path) -> Path | None:
    """Return the journal that `path` names: the file itself, or the one in a data directory; None if there is none."""
    if path.name == NAME:
        return path
    return path / NAME if (path / NAME).is_file() else None


def read_history(path: Path, limit: int = 1_000_000) -> History:
    """Return the history in a journal, whether or not a server has it open; nothing is written.

    Args:
        path: The file, or its data directory.
        limit: Maximum number of runs.

    Raises:
        JournalUnusable: It does not exist, or is not a journal of this version.
    """
    path = path if path.name == NAME else path / NAME
    if not path.is_file():
        text = f"there is no journal {path}; choose the data directory of a server with --data-dir"
        raise JournalUnusable(text)
    with opening(path), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        runs = connection.execute(
            "SELECT at_ns, duration_ns, body FROM runs WHERE body IS NOT NULL ORDER BY seq LIMIT ?", (limit,)
        ).fetchall()
        return History([PastRun(*row) for row in runs], _states(connection))


def read_learned(connection: sqlite3.Connection) -> Learned:
    """Return all that estimates start with; raises sqlite3.Error."""
    runs = connection.execute(
        "SELECT seq, workflow, series, body FROM runs WHERE body IS NOT NULL ORDER BY seq"
    ).fetchall()
    durations = connection.execute("SELECT workflow, series, phase, duration_ns FROM durations ORDER BY id").fetchall()
    return Learned(_states(connection), [EncodedRun(*row) for row in runs], durations)


def read_outcomes(connection: sqlite3.Connection, most: int) -> Outcomes:
    """Return the `most` phases with failures and the `most` slowest runs of each workflow; raises sqlite3.Error."""
    failures = connection.execute(
        "SELECT workflow, phase, count(*) FROM runs WHERE state = 'failed' GROUP BY 1, 2 ORDER BY 3 DESC LIMIT ?",
        (most,),
    ).fetchall()
    slowest = connection.execute(
        "SELECT job_id, workflow, series, duration_ns, at_ns FROM (SELECT *, "
        "row_number() OVER (PARTITION BY workflow ORDER BY duration_ns DESC, seq) AS place "
        "FROM runs WHERE body IS NOT NULL) WHERE place <= ? ORDER BY place, duration_ns DESC, seq LIMIT ?",
        (most, most * MOST_WORKFLOWS),
    ).fetchall()
    return Outcomes([PhaseFailures(*row) for row in failures], [SlowRun(*row) for row in slowest])


def _states(connection: sqlite3.Connection) -> dict[tuple[str, str], bytes]:
    rows = connection.execute("SELECT kind, key, state FROM learned").fetchall()
    return {(kind, key): state for kind, key, state in rows}
