"""The journal's tables, their version, and the migration of older versions."""

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from phaseline_server.errors import JournalUnusable
from phaseline_server.log.packing import job_in, pack_one
from phaseline_server.log.queries import search_text
from phaseline_server.log.sqlite.old_records import host_in, latest_ns_in, name_in, series_in, state_in, workflow_in

__all__ = ["APPLICATION_ID", "VERSION", "check_ours", "prepare"]

APPLICATION_ID: Final = 0x50484C4E  # "PHLN", which file(1) shows
_BASE: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- channel: of broadcasts only; the channels of a job's events follow from the other columns.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, type TEXT NOT NULL, job_id TEXT NOT NULL, channel TEXT,
  payload BLOB NOT NULL
);
CREATE TABLE jobs (job_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, ended_ns INTEGER, record BLOB NOT NULL);
CREATE INDEX jobs_ended ON jobs (ended_ns) WHERE ended_ns IS NOT NULL;
CREATE INDEX jobs_active ON jobs (seq) WHERE ended_ns IS NULL;
CREATE TABLE producers (producer TEXT PRIMARY KEY, number INTEGER NOT NULL, seq INTEGER NOT NULL);
CREATE INDEX producers_seq ON producers (seq);
CREATE TABLE durations (
  id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, workflow TEXT NOT NULL, series TEXT NOT NULL, phase TEXT NOT NULL,
  duration_ns INTEGER NOT NULL
);
CREATE TABLE averages (
  workflow TEXT NOT NULL, phase TEXT NOT NULL, count INTEGER NOT NULL, avg_ns INTEGER NOT NULL,
  PRIMARY KEY (workflow, phase)
) WITHOUT ROWID;
"""
# The runs that estimates learn from, and the learned states; a run's body is NULL if there is nothing to learn.
_LEARNING: Final = """
CREATE TABLE runs (
  seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, job_id TEXT NOT NULL, workflow TEXT NOT NULL, series TEXT NOT NULL,
  state TEXT NOT NULL, phase TEXT NOT NULL, duration_ns INTEGER NOT NULL, body BLOB
);
CREATE TABLE learned (
  kind TEXT NOT NULL, key TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""
# Events in packs; see `packing`.
_PACKS: Final = """
CREATE TABLE packs (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, at_ns INTEGER NOT NULL, messages BLOB NOT NULL);
INSERT INTO packs SELECT seq, seq, at_ns, pack_one(type, job_id, channel, payload) FROM events;
DROP TABLE events;
"""
# The columns of a job that queries use. They precede the record, which may be long, so that SQLite need not read it.
_JOB_COLUMNS: Final = """
CREATE TABLE new_jobs (
  job_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, state TEXT NOT NULL, latest_ns INTEGER NOT NULL, ended_ns INTEGER,
  record BLOB NOT NULL
);
INSERT INTO new_jobs SELECT job_id, seq, state_in(record), latest_ns_in(record), ended_ns, record FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE INDEX jobs_ended ON jobs (ended_ns) WHERE ended_ns IS NOT NULL;
CREATE INDEX jobs_active ON jobs (seq) WHERE ended_ns IS NULL;
CREATE INDEX jobs_lost ON jobs (latest_ns) WHERE state = 'lost';
"""
# The time of a job's last commit, by the log's clock (`phaseline_server.log.clock`), by which old jobs leave.
_COMMITTED: Final = """
CREATE TABLE new_jobs (
  job_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, state TEXT NOT NULL, latest_ns INTEGER NOT NULL, ended_ns INTEGER,
  at_ns INTEGER NOT NULL, record BLOB NOT NULL
);
INSERT INTO new_jobs SELECT job_id, seq, state, latest_ns, ended_ns, max(
  coalesce((SELECT at_ns FROM packs WHERE last >= jobs.seq ORDER BY last LIMIT 1), 0), coalesce(ended_ns, latest_ns)
), record FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE INDEX jobs_ended ON jobs (ended_ns) WHERE ended_ns IS NOT NULL;
CREATE INDEX jobs_active ON jobs (seq) WHERE ended_ns IS NULL;
CREATE INDEX jobs_at ON jobs (at_ns) WHERE (ended_ns IS NOT NULL OR state = 'lost');
"""
# A producer counts for one owner and one job. Who owned the old ones was not recorded: '*' is `OLD_OWNER`.
_PRODUCERS: Final = """
CREATE TABLE new_producers (
  owner TEXT NOT NULL, producer TEXT NOT NULL, job_id TEXT NOT NULL, number INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (owner, producer, job_id)
);
INSERT INTO new_producers SELECT '*', producer, job_in(first, messages, seq), number, seq FROM producers JOIN packs
  ON last = (SELECT min(last) FROM packs WHERE last >= seq) AND first <= seq;
DROP TABLE producers;
ALTER TABLE new_producers RENAME TO producers;
CREATE INDEX producers_seq ON producers (seq);
"""
# The columns of jobs and runs that history asks for. An old run has the host and name of its job, if that is kept.
# The indexes of ended jobs and of runs have all that a query needs, because the rows are long. Jobs that have not ended
# change too often for that.
_HISTORY: Final = """
CREATE TABLE new_jobs (
  job_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, state TEXT NOT NULL, latest_ns INTEGER NOT NULL, ended_ns INTEGER,
  at_ns INTEGER NOT NULL, dismissed INTEGER NOT NULL, workflow TEXT NOT NULL, series TEXT NOT NULL, host TEXT NOT NULL,
  search TEXT NOT NULL, record BLOB NOT NULL
);
INSERT INTO new_jobs SELECT job_id, seq, state, latest_ns, ended_ns, at_ns, 0, workflow_in(record), series_in(record),
  host_in(record), search_text(name_in(record, job_id), job_id, workflow_in(record), series_in(record),
  host_in(record)), record FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE INDEX jobs_ended ON jobs (
  ended_ns, seq, dismissed, state, workflow, series, host, job_id, search
) WHERE ended_ns IS NOT NULL;
CREATE INDEX jobs_active ON jobs (seq) WHERE ended_ns IS NULL;
CREATE INDEX jobs_lost ON jobs (latest_ns) WHERE state = 'lost';
CREATE INDEX jobs_at ON jobs (at_ns) WHERE (ended_ns IS NOT NULL OR state = 'lost' OR dismissed);
CREATE TABLE new_runs (
  seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, job_id TEXT NOT NULL, workflow TEXT NOT NULL, series TEXT NOT NULL,
  host TEXT NOT NULL, search TEXT NOT NULL, state TEXT NOT NULL, phase TEXT NOT NULL, duration_ns INTEGER NOT NULL,
  measured INTEGER NOT NULL, dismissed INTEGER NOT NULL DEFAULT 0, body BLOB
);
INSERT INTO new_runs SELECT runs.seq, runs.at_ns, runs.job_id, runs.workflow, runs.series, coalesce(jobs.host, ''),
  coalesce(jobs.search, search_text(runs.job_id, runs.job_id, runs.workflow, runs.series, '')), runs.state, phase,
  duration_ns, body IS NOT NULL, 0, body FROM runs LEFT JOIN jobs USING (job_id);
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
CREATE INDEX runs_at ON runs (at_ns);
CREATE INDEX runs_series ON runs (workflow, series, at_ns, state, measured, duration_ns, host, job_id, search);
"""
# Each migrates from the version of its index to the next one, and is never changed after its release.
_STEPS: Final = (_BASE, _LEARNING, _PACKS, _JOB_COLUMNS, _COMMITTED + _PRODUCERS, _HISTORY)
VERSION: Final = len(_STEPS)
# The functions that the steps call, and their numbers of arguments.
_FUNCTIONS: Final[dict[Callable[..., str | bytes | int], int]] = {
    pack_one: 4,
    job_in: 3,
    state_in: 1,
    latest_ns_in: 1,
    workflow_in: 1,
    series_in: 1,
    host_in: 1,
    name_in: 2,
    search_text: 5,
}


def check_ours(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the file, 0 of an empty one.

    Raises:
        JournalUnusable: It is another program's file, or of a newer version.
        sqlite3.Error: It is damaged.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (tables or application):
        text = f"{path} is not a Phaseline journal; it is left as it is; move it away, or choose another --data-dir"
        raise JournalUnusable(text)
    if version > VERSION:
        text = (
            f"{path} has version {version}; allowed: up to {VERSION}; it was written by a newer Phaseline: "
            f"install that one, or choose another --data-dir; it is left as it is"
        )
        raise JournalUnusable(text)
    return int(version)


def prepare(connection: sqlite3.Connection, path: Path) -> str:
    """Migrate the file to the present version, completely or not at all, and return its epoch.

    Raises:
        JournalUnusable: It is another program's file, or of a newer version.
        sqlite3.Error: It is damaged, or can't be written.
    """
    version = check_ours(connection, path)
    if version < VERSION:
        _migrate(connection, version)
    (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    return str(epoch)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for function, arguments in _FUNCTIONS.items():
        connection.create_function(function.__name__, arguments, function, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[version:]:
            for statement in _statements(step):
                connection.execute(statement)
        if version == 0:
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _statements(script: str) -> list[str]:
    """Return the statements of a script; `executescript` would commit the transaction before it begins."""
    found, statement = [], ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found
