"""Disks that are full, closed or missing: a clear error, and existing files stay unchanged."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from phaseline_server.errors import DataDirError
from phaseline_server.pictures.storage import Storage

ROOT = Path(__file__).parents[3]
KEY = ("simple", "0xabc")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_a_missing_data_directory_is_never_created(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "gone")
    with pytest.raises(DataDirError, match="does not exist"):
        storage.write_picture("annotated", *KEY, b"png")
    with pytest.raises(DataDirError, match="does not exist"):
        _ = storage.scratch.folder
    assert not (tmp_path / "gone").exists()


def test_a_file_in_place_of_a_folder_is_an_error(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "output").write_bytes(b"")
    with pytest.raises(DataDirError, match="cannot write"):
        storage.write_picture("annotated", *KEY, b"png")
    with pytest.raises(DataDirError, match="cannot write"):
        _ = storage.scratch.folder
    assert not storage.annotated_exists(*KEY)
    assert list(storage.gallery()) == []
    assert not storage.remove(*KEY)


def attempt(call: str, data_dir: Path, *, limit_bytes: int | None = None, user: int | None = None) -> str:
    """Return code and text of the error that `storage.<call>` raises in a process with its own limits."""
    program = (
        "import os, resource\n"
        "from pathlib import Path\n"
        "from phaseline.errors import PhaselineError\n"
        "from phaseline_server.pictures.storage import Storage\n"
        f"storage = Storage(Path({str(data_dir)!r}))\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, [{limit_bytes}] * 2) if {limit_bytes} is not None else None\n"
        f"os.setuid({user}) if {user} is not None else None\n"
        "try:\n"
        f"    storage.{call}\n"
        "except PhaselineError as error:\n"
        "    print(error.code, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{ROOT / 'core'}:{ROOT / 'server'}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout


WRITE = "write_picture('annotated', 'simple', '0xabc', bytes(50_000))"


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_picture_and_no_part_of_the_new_one(storage: Storage, tmp_path: Path) -> None:
    storage.write_picture("annotated", *KEY, b"old")
    assert attempt(WRITE, tmp_path, limit_bytes=20_000).startswith("DISK_FULL ")
    assert storage.read_annotated(*KEY) == b"old"
    assert files(tmp_path) == ["output/simple/annotated/0xabc.png"]
    assert attempt(WRITE, tmp_path, limit_bytes=100_000) == ""
    assert storage.read_annotated(*KEY) == bytes(50_000)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user can access; pytest's own are closed to others."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.slow
def test_folders_without_permission_are_an_error(open_folder: Path) -> None:
    storage = Storage(open_folder)
    storage.write_picture("annotated", *KEY, b"annotated")
    # Root may write anywhere, so as root, the test runs it as the user `nobody`.
    user = 65_534 if os.geteuid() == 0 else None
    closed = open_folder / "output" / "simple" / "annotated"
    closed.chmod(0o555)
    try:
        reported = [attempt(call, open_folder, user=user) for call in (WRITE, "remove('simple', '0xabc')")]
        assert all(
            text.startswith("DATA_DIR_ERROR ") and "cannot write" in text and "Permission denied" in text
            for text in reported
        )
        closed.chmod(0)
        calls = ("annotated_exists('simple', '0xabc')", "read_annotated('simple', '0xabc')", "gallery()")
        reported = [attempt(call, open_folder, user=user) for call in calls]
        assert all(
            text.startswith("DATA_DIR_ERROR ") and "cannot read" in text and "Permission denied" in text
            for text in reported
        )
    finally:
        closed.chmod(0o755)
    assert storage.read_annotated(*KEY) == b"annotated"
