"""The servers that share a log: each registers itself about each second, and reads the list of all."""

import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, LiteralString

from phaseline import __version__
from phaseline_server.log.postgres.connection import Cursor, TimedConnection
from phaseline_server.log.protocol import Member

__all__ = ["MEMBERS_TABLE", "Registration", "aged", "members"]

_SILENT_S: Final = 3.0
"""Silence after which a server is away: each registers about each second."""
_KEPT_S: Final = 600.0
# Unlogged, because it is written all the time and is right again a second after a crash.
MEMBERS_TABLE: Final[LiteralString] = """
CREATE UNLOGGED TABLE servers (
  id text COLLATE "C" PRIMARY KEY, address text COLLATE "C" NOT NULL, role text NOT NULL, term bigint NOT NULL,
  lag double precision, version text NOT NULL, seen timestamptz NOT NULL
) WITH (fillfactor = 10);
"""
_REGISTER: Final = """
INSERT INTO servers VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT (id) DO UPDATE
SET role = EXCLUDED.role, term = EXCLUDED.term, lag = EXCLUDED.lag, seen = EXCLUDED.seen
"""
# A server that was started again is another one, with the same address.
_FORGET: Final = """
DELETE FROM servers WHERE seen < clock_timestamp() - make_interval(secs => %s)
  OR (address = %s AND id <> %s AND seen < clock_timestamp() - make_interval(secs => %s))
"""
_LIST: Final = """
SELECT address, role, term, lag, version, extract(epoch FROM clock_timestamp() - seen)::double precision, id = %s
FROM servers ORDER BY address, id LIMIT 100
"""


class Registration:
    """One server's entry in the list of servers."""

    def __init__(self, address: str, lag: Callable[[], float | None]) -> None:
        """Register the server at `address`; `lag` returns its present lag in seconds as a follower."""
        self._address = address
        # Not the address alone: two machines may both have 0.0.0.0, by mistake.
        self._id = f"{socket.gethostname()}/{os.getpid()}/{address}"
        self._lag = lag

    def renew(self, connection: TimedConnection, role: Literal["leader", "follower"], term: int) -> Cursor:
        """Register the server again, and ask for the list of all; `members` decodes it."""
        lag_s = 0.0 if role == "leader" else self._lag()
        connection.execute(_REGISTER, (self._id, self._address, role, term, lag_s, __version__))
        connection.execute(_FORGET, (_KEPT_S, self._address, self._id, _SILENT_S))
        return connection.execute(_LIST, (self._id,))


def members(rows: Iterable[tuple[Any, ...]]) -> tuple[Member, ...]:
    """Return the servers in the rows of a list."""
    return aged([Member(*row) for row in rows], 0.0)


def aged(listed: Iterable[Member], age_s: float) -> tuple[Member, ...]:
    """Return the servers that were listed `age_s` seconds ago, and have not registered since."""
    found = [member._replace(silent_s=member.silent_s + age_s) for member in listed]
    return tuple(
        member._replace(role="away", lag_s=None) if member.silent_s > _SILENT_S else member for member in found
    )
