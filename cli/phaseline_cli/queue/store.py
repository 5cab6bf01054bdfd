"""The files of one queue: a file a job, which is replaced as a whole, and a lock for every change."""

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from phaseline.client.state import state_folder
from phaseline_cli.client.failures import Exit, Failure

__all__ = ["QueuedJob", "Settings", "Store", "is_held", "queue_of", "queues"]

State = Literal["queued", "running", "completed", "failed", "cancelled"]
_Kind = TypeVar("_Kind")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class QueuedJob(msgspec.Struct, kw_only=True):
    """A job of a queue, as its file has it; times are in seconds since 1970."""

    job_id: str
    argv: list[str]
    folder: str
    env: dict[str, str]
    order: int
    priority: int = 0
    after: list[str] = []
    state: State = "queued"
    exit_code: int | None = None
    """The command's, or the negative number of the signal that ended it."""
    reason: str = ""
    added: float = 0.0
    started: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        """Whether it is neither queued nor running."""
        return self.state not in {"queued", "running"}

    def end(self, state: State, reason: str = "", exit_code: int | None = None) -> None:
        """Record how it ended."""
        self.state, self.reason, self.exit_code, self.ended = state, reason, exit_code, time.time()


class Settings(msgspec.Struct, kw_only=True):
    """The settings of a queue."""

    slots: int = 1
    paused: bool = False


def queues() -> list[str]:
    """Return the names of all queues."""
    folder = state_folder() / "queue"
    return sorted(each.parent.name for each in folder.glob("*/jobs") if _NAME.fullmatch(each.parent.name))


def queue_of(job_id: str) -> "Store":
    """Return the queue that has a job; raise Failure if none has it."""
    for store in map(Store, queues()):
        if store.path(job_id, "json").is_file():
            return store
    raise Failure(f"no queue has a job {job_id!a}; `phaseline queue list` lists the jobs", Exit.NO_JOB)


class Store:
    """The jobs of one queue. Read and change them inside of `locked`."""

    def __init__(self, queue: str) -> None:
        """Refer to the queue `queue`; raise Failure if the name is invalid."""
        if not _NAME.fullmatch(queue):
            raise Failure(f"the queue is {queue!a}; allowed: 1 to 64 of A-Z a-z 0-9 . _ -", Exit.USAGE)
        self.queue = queue
        self.folder = state_folder() / "queue" / queue
        self._jobs = self.folder / "jobs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the queue's lock, for a moment; no other process changes the queue meanwhile."""
        if not self._jobs.is_dir():
            self._jobs.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in self._jobs.parents:
                _sync(folder)
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def jobs(self) -> list[QueuedJob]:
        """Return all jobs: running ones, those that wait in the order in which they start, and ended ones."""
        jobs = [_read(path, QueuedJob) for path in self._jobs.glob("*.json")]
        place = {"running": 0, "queued": 1}
        return sorted(jobs, key=lambda job: (place.get(job.state, 2), -job.priority * (not job.over), job.order))

    def waiting(self) -> list[QueuedJob]:
        """Return the jobs that wait, in the order in which they start."""
        return [job for job in self.jobs() if job.state == "queued"]

    def job(self, job_id: str) -> QueuedJob:
        """Return one job; raise Failure if there is none."""
        path = self.path(job_id, "json")
        if not path.is_file():
            raise Failure(f"the queue {self.queue} has no job {job_id!a}; see phaseline queue list", Exit.NO_JOB)
        return _read(path, QueuedJob)

    def write(self, job: QueuedJob) -> None:
        """Store a job, so that it survives a crash of the machine."""
        self._replace(self.path(job.job_id, "json"), msgspec.json.encode(job))

    def remove(self, job_id: str) -> None:
        """Remove a job and its output."""
        for kind in ("json", "out", "lock"):
            self.path(job_id, kind).unlink(missing_ok=True)

    def settings(self) -> Settings:
        """Return the settings."""
        path = self.folder / "settings.json"
        return _read(path, Settings) if path.is_file() else Settings()

    def write_settings(self, settings: Settings) -> None:
        """Store the settings."""
        self._replace(self.folder / "settings.json", msgspec.json.encode(settings))

    def path(self, job_id: str, kind: str) -> Path:
        """Return the path of a job's file: `json`, `out` for its output, or `lock`, which its process holds."""
        return self._jobs / f"{job_id}.{kind}"

    def _replace(self, path: Path, content: bytes) -> None:
        new = path.with_suffix(".new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            file.flush()
            os.fsync(fd)
        new.replace(path)
        _sync(path.parent)


def _sync(folder: Path) -> None:
    """Sync a folder, so that new names in it survive a power failure."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # a folder above, which was there before
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EROFS}:  # a file system that does not do this
            raise
    finally:
        os.close(fd)


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise Failure(f"the file {path} is damaged, or of a newer version: {error}; move it away") from error


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock of a file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
