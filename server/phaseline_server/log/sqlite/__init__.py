"""The journal: every event, job and average on disk, in one SQLite file of the data directory.

One connection writes and checkpoints, in WAL mode and with `synchronous=FULL`, so that what is committed survives
the loss of power; others read. Nothing outside this package knows that it is SQLite.
"""

from phaseline_server.log.sqlite.batch import Batch, JobRow, Kept, RunRow
from phaseline_server.log.sqlite.journal import Journal, Limits
from phaseline_server.log.sqlite.learned import Learned, Lessons, Outcomes, PastRun, read_only

__all__ = [
    "Batch",
    "JobRow",
    "Journal",
    "Kept",
    "Learned",
    "Lessons",
    "Limits",
    "Outcomes",
    "PastRun",
    "RunRow",
    "read_only",
]
