"""The journal file: committed data survives, foreign files are left alone, and its size is bounded."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.statistics import Average
from phaseline_server.errors import JournalUnusable
from phaseline_server.log.batch import Batch, JobRow
from phaseline_server.log.packing import LARGEST
from phaseline_server.log.protocol import Retention
from phaseline_server.log.sqlite.journal import Journal
from phaseline_server.log.sqlite.schema import VERSION
from tests.support.journals import NAME, batch, contents, crashed, messages, served_last

DAY_NS = 24 * 3600 * 10**9

Open = Callable[..., Journal]


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Open]:
    """Open the journal of the test's directory, after closing the one before."""
    opened: list[Journal] = []

    def open_one(**limits: Any) -> Journal:
        while opened:
            opened.pop().close()
        opened.append(Journal.open(tmp_path, Retention(**limits)))
        return opened[0]

    yield open_one
    for journal in opened:
        journal.close()


def job_row(job_id: str, seq: int, ended_ns: int | None = None) -> JobRow:
    state = State.ACTIVE if ended_ns is None else State.COMPLETED
    return JobRow(job_id, seq, state, ended_ns or 0, ended_ns, job_id.encode())


# ---------------------------------------------------------------------------------------- kept, and loaded again


def test_all_committed_data_survives_reopening(open_journal: Open) -> None:
    journal = open_journal()
    stored = messages(1, 4)
    full = Batch(
        at=Moment(5, 5),
        messages=stored,
        jobs=[job_row("b", 3), job_row("a", 4, ended_ns=5)],
        producers={("", "one", "b"): (7, 3), ("token", "one", "a"): (9, 4)},
        durations=[PhaseDuration("photo", "", "importing", 12)],
        averages={("photo", "importing"): Average(1, 12)},
        counts=(2, 3),
    )
    journal.commit(full)
    again = open_journal()
    assert (again.epoch, again.top, again.oldest) == (journal.epoch, 4, 1)
    assert again.events(0, 100) == stored
    kept = again.load(0, 100)
    assert list(kept.records) == [b"b", b"a"]
    assert list(kept.producers.items()) == [(("", "one", "b"), (7, 3)), (("token", "one", "a"), (9, 4))]
    assert kept.averages == {("photo", "importing"): Average(1, 12)}
    assert kept.counts == (2, 3)
    assert again.job("a") == b"a"
    assert again.job("nobody") is None


def test_a_new_journal_is_empty_and_has_never_learned(open_journal: Open) -> None:
    journal = open_journal()
    assert (journal.top, journal.oldest, journal.events(0, 10)) == (0, 1, ())
    kept = journal.load(0, 100)
    assert (list(kept.records), kept.producers, kept.averages, kept.counts) == ([], {}, None, (0, 0))
    assert not kept.same_clock
    assert open_journal().load(0, 100).same_clock


def test_monotonic_times_are_not_compared_after_a_reboot(open_journal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_journal().load(0, 100)
    monkeypatch.setattr("phaseline_server.log.sqlite.journal.boot_id", lambda: "another")
    assert not open_journal().load(0, 100).same_clock
    assert open_journal().load(0, 100).same_clock
    monkeypatch.setattr("phaseline_server.log.sqlite.journal.boot_id", lambda: "")
    assert not open_journal().load(0, 100).same_clock
    assert not open_journal().load(0, 100).same_clock


def test_a_group_is_kept_whole_or_not_at_all(open_journal: Open) -> None:
    journal = open_journal()
    journal.commit(batch(1, 3, jobs=[job_row("a", 3)], producers={("", "p", "a"): (1, 3)}))
    before = contents(journal.path)
    nothing: Any = None
    # Its last part can't be written: everything before that is rolled back.
    bad = {("photo", "importing"): Average(1, nothing)}
    more = batch(
        4, 5, jobs=[job_row("a", 4), job_row("b", 5)], producers={("", "p", "b"): (9, 5)}, averages=bad, counts=(1, 1)
    )
    with pytest.raises(Exception, match="NOT NULL"):
        journal.commit(more)
    assert journal.top == 3
    assert contents(journal.path) == before
    journal.commit(batch(4, 5))
    assert [message.seq for message in open_journal().events(0, 100)] == [1, 2, 3, 4, 5]


def test_committed_data_survives_a_crash(tmp_path: Path, open_journal: Open) -> None:
    journal = open_journal()
    for first in range(1, 100, 10):
        journal.commit(batch(first, first + 9))
    left = crashed(tmp_path, tmp_path / "left")
    with closing(Journal.open(left)) as again:
        assert (again.epoch, again.top) == (journal.epoch, 100)
        assert again.events(0, 1000) == journal.events(0, 1000)


def test_a_torn_end_of_the_wal_only_loses_unacknowledged_data(tmp_path: Path, open_journal: Open) -> None:
    journal = open_journal()
    journal.commit(batch(1, 10))
    acknowledged = (tmp_path / f"{NAME}-wal").stat().st_size
    marker = (tmp_path / "journal.lock").read_bytes()
    journal.commit(batch(11, 20))
    whole = (tmp_path / f"{NAME}-wal").stat().st_size
    for size in range(acknowledged, whole, (whole - acknowledged) // 7):
        left = crashed(tmp_path, tmp_path / f"left{size}")
        with (left / f"{NAME}-wal").open("r+b") as wal:
            wal.truncate(size)
        (left / "journal.lock").write_bytes(marker)
        served_last(left)
        with closing(Journal.open(left)) as again:
            assert [message.seq for message in again.events(0, 100)] == list(range(1, 11))


# ---------------------------------------------------------------------------------------- rejected files


def check_refused(data_dir: Path, *words: str) -> None:
    """Check that the journal is rejected with these words, and that its files are unchanged."""
    files = {path.name: path.read_bytes() for path in data_dir.glob(f"{NAME}*") if not path.name.endswith("-shm")}
    for _ in range(2):
        with pytest.raises(JournalUnusable) as refused:
            Journal.open(data_dir)
        for word in (NAME, *words):
            assert word in str(refused.value), refused.value
        left = {path.name: path.read_bytes() for path in data_dir.glob(f"{NAME}*") if not path.name.endswith("-shm")}
        assert {name: content for name, content in left.items() if content} == files


def filled(data_dir: Path, *, in_wal: bool = False) -> Path:
    """Return a directory with a journal of 500 messages, of which the last are in the WAL if the server crashed."""
    with closing(Journal.open(data_dir)) as journal:
        journal.commit(batch(1, 400, size=400))
    with closing(Journal.open(data_dir)) as journal:
        journal.commit(batch(401, 500))
        return crashed(data_dir, data_dir / "crashed") if in_wal else data_dir


@pytest.mark.parametrize("in_wal", [False, True], ids=["after a stop", "after a crash"])
def test_a_newer_version_is_rejected(tmp_path: Path, in_wal: bool) -> None:
    path = filled(tmp_path, in_wal=in_wal) / NAME
    spare = tmp_path / "spare"
    spare.mkdir()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")
        newer.commit()
        left = crashed(path.parent, spare / "left") if in_wal else path.parent
    check_refused(left, f"has version {VERSION + 1}; allowed: up to {VERSION}", "newer Phaseline", "left as it is")


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_of_another_program_is_rejected(tmp_path: Path, mode: str) -> None:
    with closing(sqlite3.connect(tmp_path / NAME)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("CREATE TABLE recipes (name)")
        other.commit()
    check_refused(tmp_path, "is not a Phaseline journal", "move it away, or choose another --data-dir")


def flip(path: Path, start: int, count: int) -> None:
    content = bytearray(path.read_bytes())
    for place in range(start, start + count):
        content[place] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("start", "count", "in_wal"),
    [
        (0, 16, False),
        (16, 8, False),
        (3 * 4096, 64, False),
        (20 * 4096, 512, False),
        # The header is in the WAL as well, so its loss is only damage in a page that the WAL lacks.
        (3 * 4096, 64, True),
        (20 * 4096, 512, True),
    ],
    ids=["magic", "header", "tree", "page", "tree after a crash", "page after a crash"],
)
def test_a_damaged_file_is_rejected(tmp_path: Path, start: int, count: int, in_wal: bool) -> None:
    path = filled(tmp_path, in_wal=in_wal) / NAME
    flip(path, start, count)
    check_refused(path.parent, "damaged", "was not changed", "restore it from a copy, or move it away")


def test_a_truncated_file_is_rejected(tmp_path: Path) -> None:
    path = filled(tmp_path) / NAME
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    check_refused(tmp_path, "damaged")


def test_a_text_file_in_place_of_the_journal_is_rejected(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("dear diary\n" * 100)
    check_refused(tmp_path, "damaged")


def test_a_partially_created_journal_is_created_again(tmp_path: Path) -> None:
    for name in (NAME, f"{NAME}-wal", "journal.new", "journal.new-journal"):
        (tmp_path / name).write_bytes(b"" if name == NAME else b"half of it")
    with closing(Journal.open(tmp_path)) as journal:
        journal.commit(batch(1, 3))
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.top == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.lock", NAME]


def test_a_second_server_on_a_data_directory_is_rejected(tmp_path: Path, open_journal: Open) -> None:
    journal = open_journal()
    with pytest.raises(JournalUnusable, match="in use by another server; allowed: one server for a data directory"):
        Journal.open(tmp_path)
    journal.commit(batch(1, 3))
    assert open_journal().top == 3


# ---------------------------------------------------------------------------------------- retention


def prune_all(journal: Journal, now_ns: int) -> None:
    while journal.prune(Moment(now_ns, now_ns)):
        pass


def test_a_lowered_limit_is_applied_gradually(open_journal: Open) -> None:
    open_journal().commit(batch(1, 100_000))
    journal = open_journal(events=10)
    left = []
    for seq in range(100_001, 100_009):
        journal.commit(batch(seq, seq))
        left.append(len(journal.events(0, 200_000)))
    assert left[0] > 70_000
    # They are removed in packs.
    assert left[-1] == 8 + LARGEST
    assert journal.oldest == 100_001 - LARGEST


@pytest.mark.slow
def test_the_journal_size_depends_only_on_the_retained_events(open_journal: Open) -> None:
    journal = open_journal(events=10_000)
    sizes = []
    for first in range(1, 1_000_001, 1000):
        journal.commit(batch(first, first + 999, size=200))
        sizes.append(journal.path.stat().st_size)
    assert journal.oldest == 990_001
    assert len(journal.events(0, 20_000)) == 10_000
    # Once the limit is reached and the WAL is checkpointed, free space is used again.
    assert max(sizes) <= 1.5 * sizes[199]
    wal = journal.path.with_name(f"{NAME}-wal")
    assert wal.stat().st_size < 64 * 2**20
