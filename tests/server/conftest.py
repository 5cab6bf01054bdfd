"""Disks that are small, and directories that can't be written: real ones."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


def mount(*arguments: str | Path) -> None:
    """Mount; whoever may not do so skips the test."""
    made = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"mounting is not allowed here: {made.stderr.decode().strip()}")


def unmount(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of its own, of 256 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", path)
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
