"""Trackers, a clock, and real disks that are small or directories that can't be written."""

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from phaseline.model.snapshot import Moment
from phaseline_server.jobs.tracker import Tracker
from tests.support.tracking import MakeTracker, open_tracker


def mount(*arguments: str | Path) -> None:
    """Mount; without the permission for it, skip the test."""
    made = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"mounting is not allowed here: {made.stderr.decode().strip()}")


def unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a separate file system of 2 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", path)
    yield path
    unmount(path)


@pytest.fixture
def make_unwritable() -> Iterator[Callable[[Path], None]]:
    """Make a directory, and all below it, unwritable until the end of the test; for root too."""
    with ExitStack() as after:

        def close(path: Path) -> None:
            if os.geteuid() == 0:
                mount("--bind", path, path)
                after.callback(unmount, path)
                mount("-o", "remount,bind,ro", path)
                return
            for folder in (path, *(inner for inner in path.rglob("*") if inner.is_dir())):
                folder.chmod(0o500)
                after.callback(folder.chmod, 0o700)

        yield close


@pytest.fixture
def socket_clock() -> trio.testing.MockClock:
    """A clock that only jumps if no socket has received data for 50 ms, because the kernel may deliver late."""
    return trio.testing.MockClock(autojump_threshold=0.05)


@pytest.fixture
async def make_tracker(tmp_path: Path) -> AsyncIterator[MakeTracker]:
    """Make trackers that last until the end of the test, each with its own journal."""
    numbers = count()
    async with trio.open_nursery() as nursery:

        async def keep(data_dir: Path, options: dict[str, Any], task_status: trio.TaskStatus[Tracker]) -> None:
            async with open_tracker(data_dir, **options) as tracker:
                task_status.started(tracker)
                await trio.sleep_forever()

        async def make(clock: Callable[[], Moment] | None = None, **options: Any) -> Tracker:
            data_dir = tmp_path / f"journal{next(numbers)}"
            data_dir.mkdir()
            tracker: Tracker = await nursery.start(keep, data_dir, options | {"clock": clock})
            return tracker

        yield make
        nursery.cancel_scope.cancel()
