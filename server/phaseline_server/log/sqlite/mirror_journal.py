"""The copy of another server's log, in a file beside the server's own journal, if it has one."""

from typing import ClassVar, Final

from phaseline_server.log.mirrored import CopyStart
from phaseline_server.log.sqlite.guard import Marker
from phaseline_server.log.sqlite.journal import Journal
from phaseline_server.log.sqlite.writing import write_batch
from phaseline_server.log.tables import COLUMNS

__all__ = ["MirrorJournal"]

_COMPLETE: Final = "mirror_complete"


class MirrorJournal(Journal):
    """See `MirrorEngine`."""

    FILE: ClassVar[str] = "mirror.sqlite3"
    complete_ns: int | None = None

    def _prepare(self) -> None:
        super()._prepare()
        self.top = max(self.top, self.oldest - 1)  # without a message so far

    def _recognize(self) -> None:
        # The source decides whether this continues its log: an old copy is one that lacks more.
        self._marker = Marker((), self._file_lock.inode, self.top)
        row = self._writer.execute("SELECT value FROM meta WHERE key = ?", (_COMPLETE,)).fetchone()
        self.complete_ns = None if row is None else int(row[0])

    def replace(self, start: CopyStart, complete_ns: int) -> None:
        """Replace everything. See `MirrorEngine.replace`."""
        with self._transaction() as write:
            for table in COLUMNS:
                write.execute(f"DELETE FROM {table}")  # noqa: S608 (constants)
            values = [("epoch", start.epoch), ("epoch_since", start.after), (_COMPLETE, complete_ns)]
            write.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)
            write_batch(write, start.batch, self._read_clock(write, start.batch.at))
        self._files.check()
        self.epoch, self.top, self.oldest = start.epoch, start.after, start.after + 1
        self.complete_ns = complete_ns

    def note_complete(self, wall_ns: int) -> None:
        """Store that the copy is complete. See `MirrorEngine.note_complete`."""
        with self._transaction() as write:
            write.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_COMPLETE, wall_ns))
        self.complete_ns = wall_ns
