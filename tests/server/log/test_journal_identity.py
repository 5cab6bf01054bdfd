"""A journal that was moved or replaced: nothing more is acknowledged, and a restored copy gets a new epoch."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from phaseline.model.snapshot import Moment
from phaseline_server.errors import JournalFailed, JournalUnusable
from phaseline_server.log.sqlite.guard import DirectoryLock
from phaseline_server.log.sqlite.journal import Journal
from tests.support.journals import NAME, batch, crashed


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def move_away(data_dir: Path) -> None:
    data_dir.rename(data_dir.with_name("moved"))


def swap(data_dir: Path) -> None:
    move_away(data_dir)
    data_dir.mkdir()
    Journal.open(data_dir).close()


def replace_wal(data_dir: Path) -> None:
    (data_dir / f"{NAME}-wal").unlink()
    (data_dir / f"{NAME}-wal").touch()


def restore_beside(data_dir: Path) -> None:
    shutil.copy(data_dir / NAME, data_dir / "copy")
    (data_dir / "copy").replace(data_dir / NAME)


@pytest.mark.parametrize("harm", [shutil.rmtree, move_away, swap, replace_wal, restore_beside])
def test_nothing_is_acknowledged_after_the_files_were_replaced(data_dir: Path, harm: Callable[[Path], None]) -> None:
    journal = Journal.open(data_dir)
    journal.commit(batch(1, 3))
    harm(data_dir)
    with pytest.raises(JournalFailed, match=f"{data_dir}/{NAME}.* was removed, moved or replaced"):
        journal.commit(batch(4, 5))
    with pytest.raises(JournalFailed, match="choose another --data-dir"):
        journal.prune(Moment(1, 1))
    journal.close()


def test_a_journal_that_was_moved_away_does_not_change_its_successor(data_dir: Path) -> None:
    journal = Journal.open(data_dir)
    journal.commit(batch(1, 3))
    move_away(data_dir)
    data_dir.mkdir()
    with closing(Journal.open(data_dir)) as successor:
        successor.commit(batch(1, 7))
        journal.close()
        successor.commit(batch(8, 9))
        assert len(successor.events(0, 100)) == 9
    with closing(Journal.open(data_dir)) as again:
        assert again.top == 9


@pytest.fixture
def in_use(data_dir: Path) -> Iterator[Journal]:
    with closing(Journal.open(data_dir)) as journal:
        journal.commit(batch(1, 3))
        yield journal


def test_a_second_server_is_rejected_even_without_the_lock_file(data_dir: Path, in_use: Journal) -> None:
    (data_dir / "journal.lock").unlink()
    with pytest.raises(JournalUnusable, match="in use by another server"):
        Journal.open(data_dir)
    in_use.commit(batch(4, 5))


def test_a_second_server_is_rejected_under_another_path(tmp_path: Path, data_dir: Path, in_use: Journal) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / NAME).symlink_to(data_dir / NAME)
    with pytest.raises(JournalUnusable, match="in use by another server"):
        Journal.open(other)
    in_use.commit(batch(4, 5))


def served(data_dir: Path, first: int, last: int) -> str:
    """Commit these messages as a server does between start and stop; return the epoch."""
    with closing(Journal.open(data_dir)) as journal:
        journal.commit(batch(first, last))
        return journal.epoch


def test_a_copy_that_is_restored_in_place_has_a_new_epoch(tmp_path: Path, data_dir: Path) -> None:
    epoch = served(data_dir, 1, 10)
    shutil.copy(data_dir / NAME, tmp_path / "copy")
    assert served(data_dir, 11, 20) == epoch
    shutil.copyfile(tmp_path / "copy", data_dir / NAME)  # which keeps the inode
    with closing(Journal.open(data_dir)) as journal:
        assert journal.epoch != epoch
        # Numbers continue, but none of the new epoch is that of an event of the old one.
        assert (journal.top, journal.oldest) == (10, 11)
        assert journal.events(0, 100) == ()
        journal.commit(batch(11, 12))
        assert [message.seq for message in journal.events(0, 100)] == [11, 12]
        epoch = journal.epoch
    with closing(Journal.open(data_dir)) as journal:
        assert (journal.epoch, journal.oldest) == (epoch, 11)


def test_a_copy_from_before_a_crash_has_a_new_epoch(tmp_path: Path, data_dir: Path, in_use: Journal) -> None:
    left = crashed(data_dir, tmp_path / "left")
    in_use.commit(batch(4, 5))
    shutil.copy(data_dir / "journal.lock", left / "journal.lock")
    marker = (
        (left / "journal.lock")
        .read_text()
        .replace(f'"inode":{(data_dir / NAME).stat().st_ino}', f'"inode":{(left / NAME).stat().st_ino}')
    )
    (left / "journal.lock").write_text(marker)
    assert served(left, 4, 4) != in_use.epoch


def test_a_copied_directory_has_a_new_epoch_and_the_original_keeps_its_own(tmp_path: Path, data_dir: Path) -> None:
    epoch = served(data_dir, 1, 10)
    shutil.copytree(data_dir, tmp_path / "copy")
    assert served(tmp_path / "copy", 11, 20) != epoch
    assert served(data_dir, 11, 20) == epoch


def test_a_journal_without_its_lock_file_has_a_new_epoch(data_dir: Path) -> None:
    epoch = served(data_dir, 1, 10)
    (data_dir / "journal.lock").write_bytes(b"no marker")
    assert (again := served(data_dir, 11, 20)) != epoch
    (data_dir / "journal.lock").unlink()
    assert served(data_dir, 21, 30) not in {epoch, again}


def test_a_server_that_is_killed_while_it_starts_keeps_the_epoch(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = served(data_dir, 1, 10)
    write = DirectoryLock.write

    def killed(*arguments: object, **more: object) -> None:
        write(*arguments, **more)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryLock, "write", killed)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                Journal.open(data_dir)
    assert served(data_dir, 11, 20) == epoch


def modes(data_dir: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_only_the_owner_can_read_a_journal(data_dir: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with closing(Journal.open(data_dir)) as journal:
            journal.commit(batch(1, 3))
            assert modes(data_dir) == dict.fromkeys([NAME, f"{NAME}-wal", f"{NAME}-shm", "journal.lock"], 0o600)
        (data_dir / NAME).chmod(0o644)  # as an earlier version left it
        with closing(Journal.open(data_dir)):
            assert set(modes(data_dir).values()) == {0o600}
    finally:
        os.umask(before)
