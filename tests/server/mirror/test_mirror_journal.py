"""The copy of another server's log on disk."""

from pathlib import Path

import pytest

from phaseline_server.errors import JournalFailed, JournalUnusable
from phaseline_server.log.batch import Batch, JobRow, RunRow
from phaseline_server.log.mirrored import CopyStart
from phaseline_server.log.protocol import Retention
from phaseline_server.log.sqlite import MirrorJournal, SqliteStore
from tests.support.journals import batch


def row(name: str, seq: int) -> JobRow:
    return JobRow(name, seq, "active", 1, None, name.encode())


def state(copy: MirrorJournal) -> tuple[str, int, int, int | None]:
    return copy.epoch, copy.top, copy.oldest, copy.complete_ns


def start(epoch: str, after: int, *jobs: JobRow) -> CopyStart:
    return CopyStart(epoch, after, Batch(at=batch(1, 1).at, messages=(), jobs=jobs))


def test_a_copy_has_the_epoch_and_the_numbers_of_its_source_also_after_a_restart(tmp_path: Path) -> None:
    copy = MirrorJournal.open(tmp_path, Retention())
    assert state(copy)[3] is None
    copy.replace(start("source", 40, row("a", 30)), 7)
    assert state(copy) == ("source", 40, 41, 7)
    copy.close()
    copy = MirrorJournal.open(tmp_path, Retention())
    assert state(copy) == ("source", 40, 41, 7)
    copy.commit(batch(41, 43, jobs=[row("b", 43)]))
    copy.note_complete(9)
    copy.close()
    copy = MirrorJournal.open(tmp_path, Retention())
    assert state(copy) == ("source", 43, 41, 9)
    assert [message.seq for message in copy.events(0, 10)] == [41, 42, 43]
    assert copy.load(0, 10).records == [b"a", b"b"]
    copy.close()


def test_another_copy_replaces_the_first_one_completely(tmp_path: Path) -> None:
    copy = MirrorJournal.open(tmp_path, Retention())
    copy.replace(start("one", 0, row("a", 1)), 1)
    copy.commit(batch(1, 2))
    copy.replace(start("other", 0, row("z", 1)), 2)
    assert (copy.epoch, copy.top, copy.events(0, 10), copy.job("a"), copy.job("z")) == ("other", 0, (), None, b"z")
    copy.close()


def test_a_copy_that_cannot_be_stored_does_not_replace_the_first_one(tmp_path: Path) -> None:
    copy = MirrorJournal.open(tmp_path, Retention())
    copy.replace(start("one", 0, row("a", 1)), 1)
    run = RunRow(4, 5, "z", "w", "s", "completed", "p", 7, None)
    twice = Batch(at=batch(1, 1).at, messages=(), jobs=[row("z", 4)], runs=[run, run])
    with pytest.raises(JournalFailed):
        copy.replace(CopyStart("other", 5, twice), 2)
    assert (copy.epoch, copy.top, copy.job("a"), copy.complete_ns) == ("one", 0, b"a", 1)
    copy.close()
    copy = MirrorJournal.open(tmp_path, Retention())
    assert (copy.epoch, copy.job("a")) == ("one", b"a")
    copy.close()


async def test_a_copy_does_not_change_the_servers_own_journal(tmp_path: Path) -> None:
    own = await SqliteStore.open(tmp_path)
    await own.commit(batch(1, 3))
    copy = MirrorJournal.open(tmp_path, Retention())
    copy.replace(start("source", 9), 1)
    with pytest.raises(JournalUnusable, match="in use by another server"):
        MirrorJournal.open(tmp_path, Retention())
    copy.close()
    assert (own.top, own.epoch != "source") == (3, True)
    await own.close()
