"""The journal: every event, job and average on disk, in one SQLite file of the data directory.

One connection writes and checkpoints, in WAL mode and with `synchronous=FULL`, so that commits survive a loss of power;
another one reads. Only this package knows SQLite.
"""

from phaseline_server.log.sqlite.copying import SqliteCopy
from phaseline_server.log.sqlite.history import History, PastRun, find_journal, read_history
from phaseline_server.log.sqlite.mirror_journal import MirrorJournal
from phaseline_server.log.sqlite.store import SqliteStore

__all__ = ["History", "MirrorJournal", "PastRun", "SqliteCopy", "SqliteStore", "find_journal", "read_history"]
