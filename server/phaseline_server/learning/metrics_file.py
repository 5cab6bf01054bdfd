"""`metrics/progress_phase_stats.json`: the picture API's schema `v1`, replaced atomically, never silently reset.

Phases of the workflow `PICTURES` are stored under their bare names, as in the original picture API. Those of other
workflows are stored as `<workflow>/<phase>`.
"""

import math
import threading
import time
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import structlog
import trio
from msgspec import Meta

from phaseline.errors import PhaselineError
from phaseline.model.statistics import Average, Statistics
from phaseline.model.workflows import PICTURES
from phaseline_server.atomic_files import replace_file
from phaseline_server.errors import DataDirError
from phaseline_server.jobs.tracker import Tracker

__all__ = ["MetricsFile"]

_log: Final = structlog.get_logger()

# A duration of more than 63 bits of nanoseconds cannot be reported in seconds.
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _PhaseAverage(msgspec.Struct, frozen=True):
    count: Count
    avg_ns: Count = msgspec.field(name="avgNs")


class _V1(msgspec.Struct, frozen=True, rename="camel"):
    version: Literal["v1"]
    phase_averages: dict[str, _PhaseAverage]
    generation_runs: Count
    cache_hits: Count


class MetricsFile:
    """The file, and the task that keeps it up to date.

    Attributes:
        path: Path of the file.
        saved: Whether everything that this process tried to save is on disk.
    """

    def __init__(self, data_dir: Path) -> None:
        """Refer to the file in `data_dir`, which must exist at each save."""
        self.path = data_dir / "metrics" / "progress_phase_stats.json"
        self.saved = True
        self._data_dir = data_dir
        self._writing = threading.Lock()
        self._resets = 0

    def load(self) -> Statistics:
        """Return the stored statistics; empty ones if the file does not exist.

        An invalid file is renamed to `<name>.corrupt-<time>`, with a warning in the log.

        Raises:
            DataDirError: The file cannot be opened, or cannot be renamed.
        """
        try:
            document = self.path.read_bytes()
        except FileNotFoundError:
            return Statistics()
        except OSError as error:
            text = f"cannot read {self.path}: {error.strerror}; make it readable for this user"
            raise DataDirError(text) from None
        try:
            stored = msgspec.json.decode(document, type=_V1)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._set_aside(str(error))
            return Statistics()
        averages = {
            _key(name): Average(average.count, average.avg_ns) for name, average in stored.phase_averages.items()
        }
        return Statistics(averages, stored.generation_runs, stored.cache_hits)

    def _set_aside(self, reason: str) -> None:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        try:
            self.path.replace(aside)
        except OSError as error:
            text = f"{self.path} is not valid ({reason}), and cannot be renamed to {aside.name}: {error.strerror}"
            raise DataDirError(text) from None
        _log.warning("invalid metrics file renamed; statistics start empty", path=str(aside), reason=reason)

    def save(self, statistics: Statistics) -> None:
        """Replace the file.

        Raises:
            DiskFull: The disk is full.
            DataDirError: The directory is missing or not writable.
        """
        self._write(self.encode(statistics), self._resets)

    def reset(self, statistics: Statistics) -> None:
        """Clear the statistics and delete the file, even if a save is in progress.

        Raises:
            OSError: The file cannot be deleted.
        """
        with self._writing:
            statistics.clear()
            self._resets += 1
            self.path.unlink(missing_ok=True)

    def _write(self, content: bytes, resets: int) -> None:
        """Replace the file by `content`, unless `reset` was called since it was encoded."""
        with self._writing:
            if resets == self._resets:
                replace_file(self.path, content, self._data_dir)

    @staticmethod
    def encode(statistics: Statistics) -> bytes:
        """Return the content of the file."""
        stored = _V1(
            version="v1",
            phase_averages={
                _name(key): _PhaseAverage(average.count, average.avg_ns)
                for key, average in sorted(statistics.averages.items())
            },
            generation_runs=statistics.generation_runs,
            cache_hits=statistics.cache_hits,
        )
        return msgspec.json.format(msgspec.json.encode(stored), indent=2) + b"\n"

    async def run(self, tracker: Tracker, interval_s: float = 1.0) -> None:
        """Save when the statistics of `tracker` change, at most once per `interval_s`; runs until canceled.

        A failed save is logged and retried at the next change, or after ten intervals.
        """
        while True:
            with trio.move_on_after(math.inf if self.saved else 10 * interval_s):
                await tracker.learned.wait()
            await self._try_save(tracker)
            await trio.sleep(interval_s)

    async def finish(self, tracker: Tracker) -> None:
        """Save unsaved changes. Without any, the file stays as it is: another process may have written it."""
        if tracker.learned.is_set() or not self.saved:
            await self._try_save(tracker)

    async def _try_save(self, tracker: Tracker) -> None:
        """Save the statistics, and log an error."""
        self.saved = False
        tracker.learned = trio.Event()
        try:
            # Encode before the thread writes, because the tracker may change the statistics meanwhile.
            content = self.encode(tracker.statistics)
            await trio.to_thread.run_sync(self._write, content, self._resets)
        except PhaselineError as error:
            _log.warning("cannot save the metrics file", error=str(error), code=error.code)
        else:
            self.saved = True


def _key(name: str) -> tuple[str, str]:
    workflow, slash, phase = name.rpartition("/")
    return (workflow, phase) if slash else (PICTURES.name, phase)


def _name(key: tuple[str, str]) -> str:
    workflow, phase = key
    return phase if workflow == PICTURES.name else f"{workflow}/{phase}"
