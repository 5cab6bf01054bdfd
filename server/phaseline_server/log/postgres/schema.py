"""The tables of a log in PostgreSQL, their version, and the migration of older versions."""

import secrets
from typing import Final, LiteralString

from psycopg import sql

from phaseline_server.errors import JournalUnusable
from phaseline_server.log.postgres.connection import TimedConnection
from phaseline_server.log.postgres.members import MEMBERS_TABLE

__all__ = ["VERSION", "has_tables", "prepare"]

# Texts compare by their bytes, as SQLite's and Python's do. Packs and records are compressed already or short. Rows of
# `jobs` and `leader` change often, so their pages have room for the next version of a row.
_BASE: Final = """
CREATE TABLE meta (key text COLLATE "C" PRIMARY KEY, value text NOT NULL);
CREATE TABLE leader (
  id integer PRIMARY KEY CHECK (id = 1), term bigint NOT NULL, batch bigint NOT NULL,
  server text NOT NULL, seen timestamptz NOT NULL
) WITH (fillfactor = 10);
CREATE TABLE packs (last bigint PRIMARY KEY, first bigint NOT NULL, at_ns bigint NOT NULL, messages bytea NOT NULL);
ALTER TABLE packs ALTER messages SET STORAGE EXTERNAL;
CREATE TABLE jobs (
  job_id text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL, state text COLLATE "C" NOT NULL, latest_ns bigint NOT NULL,
  ended_ns bigint, at_ns bigint NOT NULL, dismissed boolean NOT NULL, workflow text COLLATE "C" NOT NULL,
  series text COLLATE "C" NOT NULL, host text COLLATE "C" NOT NULL, search text COLLATE "C" NOT NULL,
  record bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX jobs_ended ON jobs (ended_ns, seq) WHERE ended_ns IS NOT NULL;
CREATE INDEX jobs_active ON jobs (seq) WHERE ended_ns IS NULL;
CREATE INDEX jobs_lost ON jobs (latest_ns) WHERE state = 'lost';
CREATE INDEX jobs_at ON jobs (at_ns) WHERE (ended_ns IS NOT NULL OR state = 'lost' OR dismissed);
CREATE TABLE producers (
  owner text COLLATE "C", producer text COLLATE "C", job_id text COLLATE "C", number bigint NOT NULL,
  seq bigint NOT NULL, PRIMARY KEY (owner, producer, job_id)
) WITH (fillfactor = 70);
CREATE INDEX producers_seq ON producers (seq);
CREATE TABLE runs (
  seq bigint PRIMARY KEY, at_ns bigint NOT NULL, job_id text COLLATE "C" NOT NULL, workflow text COLLATE "C" NOT NULL,
  series text COLLATE "C" NOT NULL, host text COLLATE "C" NOT NULL, search text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL, phase text COLLATE "C" NOT NULL, duration_ns bigint NOT NULL,
  measured boolean NOT NULL, dismissed boolean NOT NULL DEFAULT false, body bytea
);
CREATE INDEX runs_at ON runs (at_ns);
CREATE TABLE durations (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at_ns bigint NOT NULL, workflow text COLLATE "C" NOT NULL,
  series text COLLATE "C" NOT NULL, phase text COLLATE "C" NOT NULL, duration_ns bigint NOT NULL
);
CREATE TABLE averages (
  workflow text COLLATE "C", phase text COLLATE "C", count bigint NOT NULL, avg_ns bigint NOT NULL,
  PRIMARY KEY (workflow, phase)
);
CREATE TABLE learned (
  kind text COLLATE "C", key text COLLATE "C", state bytea NOT NULL, PRIMARY KEY (kind, key)
);
"""
# Tickets are lost with a crash or a failover of the database: then a client gets another one, and nothing waits for the
# standby server.
_SECRETS: Final = """
CREATE TABLE secrets (name text COLLATE "C" PRIMARY KEY, revision text NOT NULL, document bytea NOT NULL);
CREATE UNLOGGED TABLE tickets (
  sha256 text COLLATE "C" PRIMARY KEY, kind text NOT NULL, holder text NOT NULL, expires timestamptz NOT NULL
);
CREATE INDEX tickets_expires ON tickets (expires);
"""
# Each migrates from the version of its index to the next one, and is never changed after its release.
_STEPS: Final[tuple[LiteralString, ...]] = (_BASE, MEMBERS_TABLE, _SECRETS)
VERSION: Final = len(_STEPS)


def has_tables(connection: TimedConnection) -> bool:
    """Return whether the schema has a log; raises psycopg.Error."""
    row = connection.execute("SELECT to_regclass('leader') IS NOT NULL AND to_regclass('meta') IS NOT NULL").fetchone()
    return bool(row and row[0])


def prepare(connection: TimedConnection, schema: str, name: str) -> None:
    """Migrate the log to the present version, completely or not at all. The caller holds the leader's lock.

    Raises:
        JournalUnusable: The database has another encoding, or the log is of a newer version.
        psycopg.Error: The database rejects it.
    """
    version = _check_ours(connection, name)
    if version == VERSION:
        return
    with connection.transaction():
        # Not `IF NOT EXISTS`, which needs the right to create schemas even if this one exists.
        if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for step in _STEPS[version:]:
            connection.execute(step)
        if version == 0:
            connection.execute("INSERT INTO meta VALUES ('epoch', %s), ('epoch_since', '0')", (secrets.token_hex(8),))
            connection.execute("INSERT INTO leader VALUES (1, 0, 0, '', clock_timestamp())")
        connection.execute(
            "INSERT INTO meta VALUES ('version', %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
            (str(VERSION),),
        )


def _check_ours(connection: TimedConnection, name: str) -> int:
    """Return the version of the log, 0 if there is none yet; raises as `prepare`."""
    (encoding,) = connection.execute("SHOW server_encoding").fetchone() or ("",)
    if encoding != "UTF8":
        raise JournalUnusable(f"{name} has the encoding {encoding}; allowed: UTF8; create the database with -E UTF8")
    if not has_tables(connection):
        return 0
    found = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    version = int(found[0]) if found else 0
    if version > VERSION:
        text = (
            f"{name} has version {version}; allowed: up to {VERSION}; it was written by a newer Phaseline: "
            f"install that one, or choose another --log; it is left as it is"
        )
        raise JournalUnusable(text)
    return version
