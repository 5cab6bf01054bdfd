"""The metrics file: the format of the picture API, replaced whole or not at all, and never emptied by accident."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing

from phaseline.errors import DiskFull
from phaseline.model.events import JobCompleted, JobStarted
from phaseline.model.statistics import Average, Statistics
from phaseline_server.errors import DataDirError
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.learning.metrics_file import MetricsFile
from tests.support.disks import files_at_most, fill, names
from tests.support.tracking import MakeTracker, run_job

SEED = b"""{
  "version": "v1",
  "phaseAverages": {
    "image_wait": {
      "count": 4,
      "avgNs": 2100000000
    }
  },
  "generationRuns": 12,
  "cacheHits": 5
}
"""
KNOWN = {("dalle", "image_wait"): Average(4, 2_100_000_000)}


def known() -> Statistics:
    return Statistics(KNOWN, 12, 5)


def reported(statistics: Statistics) -> tuple[dict[tuple[str, str], Average], int, int]:
    return statistics.averages, statistics.generation_runs, statistics.cache_hits


def written(tmp_path: Path, content: bytes) -> MetricsFile:
    file = MetricsFile(tmp_path)
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    return file


def test_the_picture_apis_example_is_read_and_written_byte_for_byte(tmp_path: Path) -> None:
    file = written(tmp_path, SEED)
    assert reported(file.load()) == (KNOWN, 12, 5)
    file.path.unlink()
    file.save(known())
    assert file.path == tmp_path / "metrics" / "progress_phase_stats.json"
    assert file.path.read_bytes() == SEED


def test_the_picture_apis_printed_example_is_read(tmp_path: Path) -> None:
    compact = SEED.replace(
        b'{\n      "count": 4,\n      "avgNs": 2100000000\n    }', b'{"count": 4, "avgNs": 2100000000}'
    )
    assert compact != SEED
    assert reported(written(tmp_path, compact).load()) == (KNOWN, 12, 5)


def test_empty_statistics_are_written_with_every_key(tmp_path: Path) -> None:
    MetricsFile(tmp_path).save(Statistics())
    assert json.loads((tmp_path / "metrics" / "progress_phase_stats.json").read_bytes()) == {
        "version": "v1",
        "phaseAverages": {},
        "generationRuns": 0,
        "cacheHits": 0,
    }


def test_phases_of_other_workflows_stand_under_the_workflows_name(tmp_path: Path) -> None:
    averages = {
        ("photo", "exporting"): Average(1, 10),
        ("dalle", "annotate"): Average(2, 20),
        ("a/b", "step"): Average(3, 30),
    }
    file = MetricsFile(tmp_path)
    file.save(Statistics(averages))
    assert list(json.loads(file.path.read_bytes())["phaseAverages"]) == ["a/b/step", "annotate", "photo/exporting"]
    assert file.load().averages == averages


def test_an_absent_file_or_directory_is_empty(tmp_path: Path) -> None:
    assert reported(MetricsFile(tmp_path).load()) == ({}, 0, 0)
    assert names(tmp_path) == []


CORRUPT = {
    "empty": b"",
    "cut-off-at-once": b"{",
    "zeros": b"\x00" * 100,
    "no-utf-8": b"\xff\xfe",
    "a-list": b"[]",
    "null": b"null",
    "an-empty-object": b"{}",
    "cut-off": SEED[:-20],
    "another-version": SEED.replace(b"v1", b"v2"),
    "negative": SEED.replace(b"12", b"-1"),
    "text-for-a-number": SEED.replace(b"12", b'"12"'),
    "a-fraction": SEED.replace(b"2100000000", b"2.5"),
    "a-number-beyond-all-bounds": SEED.replace(b"2100000000", b"1" + b"0" * 400),
    "a-key-missing": b'{"version": "v1", "phaseAverages": {}, "cacheHits": 1}',
    "null-for-a-number": SEED.replace(b"4", b"null"),
    "nested-too-deeply": SEED.replace(b"12", b"12, " + b'"x": ' + b"[" * 100_000),
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_file_is_set_aside_with_a_warning(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path, content)
    with structlog.testing.capture_logs() as logs:
        assert reported(file.load()) == ({}, 0, 0)
    [aside] = file.path.parent.iterdir()
    assert aside.name.startswith("progress_phase_stats.json.corrupt-")
    assert aside.read_bytes() == content
    [entry] = logs
    assert entry["log_level"] == "warning"
    assert entry["path"] == str(aside)
    assert entry["reason"]


def test_a_corrupt_file_that_cannot_be_renamed_is_an_error(
    tmp_path: Path, make_unwritable: Callable[[Path], None]
) -> None:
    file = written(tmp_path, b"{")
    make_unwritable(tmp_path)
    with pytest.raises(DataDirError, match="cannot be renamed to progress_phase_stats"):
        file.load()
    assert file.path.read_bytes() == b"{"


def test_a_directory_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path)
    file.path.mkdir(parents=True)
    with pytest.raises(DataDirError, match=r"cannot read .*: Is a directory"):
        file.load()
    with pytest.raises(DataDirError, match="cannot write"):
        file.save(known())


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    file = written(tmp_path, SEED)
    with file.path.open("rb") as reader:
        before = file.path.stat().st_ino
        file.save(Statistics())
        assert reader.read() == SEED
    assert file.path.stat().st_ino != before
    assert names(file.path.parent) == [file.path.name]


def test_an_interrupted_save_keeps_the_old_file(tmp_path: Path) -> None:
    file = written(tmp_path, SEED)
    many = Statistics({("dalle", f"phase {number}"): Average(1, 1) for number in range(1000)})
    with files_at_most(4096), pytest.raises(DiskFull, match="free disk space"):
        file.save(many)
    assert file.path.read_bytes() == SEED
    assert names(file.path.parent) == [file.path.name]


def test_a_full_disk_keeps_the_old_file_until_space_is_freed(small_disk: Path) -> None:
    file = written(small_disk, SEED)
    filler = fill(small_disk)
    with pytest.raises(DiskFull, match=os.strerror(errno.ENOSPC)):
        file.save(Statistics())
    assert file.path.read_bytes() == SEED
    filler.unlink()
    file.save(Statistics())
    assert reported(file.load()) == ({}, 0, 0)


def test_a_deleted_data_directory_is_not_created_again(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(DataDirError, match="does not exist"):
        MetricsFile(gone).save(known())
    assert not gone.exists()


def test_an_unwritable_directory_is_reported(tmp_path: Path, make_unwritable: Callable[[Path], None]) -> None:
    make_unwritable(tmp_path)
    with pytest.raises(DataDirError, match="make its directory writable"):
        MetricsFile(tmp_path).save(known())


class Keeper:
    """The task that keeps the file up to date, step by step on a stopped clock."""

    def __init__(self, file: MetricsFile, tracker: Tracker, clock: trio.testing.MockClock) -> None:
        self.file, self.tracker, self.clock = file, tracker, clock
        self.tries = 0  # begun
        self._tried = trio.Event()
        self._try_save = file._try_save
        file._try_save = self._count  # type: ignore[method-assign]

    async def _count(self, tracker: Tracker) -> None:
        self.tries += 1
        await self._try_save(tracker)
        self._tried.set()
        self._tried = trio.Event()

    async def wait_tried(self) -> None:
        """Wait for the next try, and until the task sleeps after it."""
        await self._tried.wait()
        await trio.testing.wait_all_tasks_blocked()

    async def pictures(self, *names: str) -> None:
        """Report pictures that are made."""
        for name in names:
            await self.tracker.report(JobStarted(job_id=name, workflow="dalle"))
            await self.tracker.report(JobCompleted(job_id=name))


async def test_changes_are_saved_at_once_and_then_once_per_interval(
    make_tracker: MakeTracker, tmp_path: Path, mock_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    keeper = Keeper(MetricsFile(tmp_path), await make_tracker(), mock_clock)
    nursery.start_soon(keeper.file.run, keeper.tracker, 1.0)
    await trio.testing.wait_all_tasks_blocked()
    assert not keeper.file.path.exists()
    await keeper.pictures("a")
    await keeper.wait_tried()
    assert keeper.file.load().generation_runs == 1
    await keeper.pictures("b", "c", "d")
    await trio.testing.wait_all_tasks_blocked()
    assert keeper.file.load().generation_runs == 1
    mock_clock.jump(1.0)
    await keeper.wait_tried()
    assert keeper.file.load().generation_runs == 4
    mock_clock.jump(1000.0)
    await trio.testing.wait_all_tasks_blocked()
    assert keeper.tries == 2


async def test_a_failed_save_is_retried(
    make_tracker: MakeTracker, tmp_path: Path, mock_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    keeper = Keeper(MetricsFile(tmp_path / "data"), await make_tracker(), mock_clock)
    nursery.start_soon(keeper.file.run, keeper.tracker, 1.0)
    with structlog.testing.capture_logs() as logs:
        await keeper.pictures("a")
        await keeper.wait_tried()
    assert [entry["code"] for entry in logs] == ["DATA_DIR_ERROR"]
    assert not keeper.file.saved
    (tmp_path / "data").mkdir()
    for seconds in (1.0, 9.0):
        mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        assert keeper.tries == 1
    mock_clock.jump(1.0)
    await keeper.wait_tried()
    assert keeper.file.load().generation_runs == 1
    assert keeper.file.saved


def test_a_save_in_progress_does_not_undo_a_reset(tmp_path: Path) -> None:
    file, statistics = MetricsFile(tmp_path), known()
    file.save(statistics)
    stale, resets = file.encode(statistics), file._resets
    file.reset(statistics)
    file._write(stale, resets)
    assert names(file.path.parent) == []
    assert reported(statistics) == ({}, 0, 0)
    file.save(statistics)
    assert reported(file.load()) == ({}, 0, 0)


async def test_shutdown_only_saves_unsaved_changes(make_tracker: MakeTracker, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    file, tracker = MetricsFile(data_dir), await make_tracker()
    await file.finish(tracker)
    assert names(data_dir) == []
    await run_job(tracker, "a")
    await file.finish(tracker)
    assert file.load().averages == tracker.statistics.averages != {}
    shutil.rmtree(data_dir / "metrics")
    await file.finish(tracker)
    assert names(data_dir) == []
