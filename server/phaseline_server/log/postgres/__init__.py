"""The log in PostgreSQL, which several servers share: one of them leads and writes, the others follow.

A connection of the leader holds an advisory lock, which elects it; the leader's term, which each of its transactions
checks, prevents an earlier leader from writing. Only this package knows psycopg.
"""

import logging

from phaseline_server.log.postgres.copying import PostgresCopy
from phaseline_server.log.postgres.follower_store import PostgresFeed
from phaseline_server.log.postgres.secret_store import PostgresSecrets
from phaseline_server.log.postgres.store import PostgresStore

__all__ = ["PostgresCopy", "PostgresFeed", "PostgresSecrets", "PostgresStore"]

# It warns of lost connections; the errors that it raises then are logged with what is done about them.
logging.getLogger("psycopg").setLevel(logging.ERROR)
