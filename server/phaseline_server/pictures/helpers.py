"""Seed A's testing helpers, for the server that runs in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from phaseline.model.statistics import Statistics
from phaseline.model.workflows import valid_address, valid_series
from phaseline.wire import run_snapshot
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.pictures.runs import Runs

__all__ = ["force_metrics_save", "get_progress", "reset_metrics_for_test", "serving"]

_running: list[tuple[Runs, Tracker, MetricsFile]] = []


@contextmanager
def serving(runs: Runs, tracker: Tracker, metrics_file: MetricsFile) -> Iterator[None]:
    """Let the helpers speak of this server for the length of the block."""
    parts = (runs, tracker, metrics_file)
    _running.append(parts)
    try:
        yield
    finally:
        _running.remove(parts)


def _metrics() -> tuple[Statistics, MetricsFile]:
    """Return the running server's statistics; without one, what the current directory's file says."""
    if _running:
        _, tracker, metrics_file = _running[-1]
        return tracker.statistics, metrics_file
    metrics_file = MetricsFile(Path())
    return metrics_file.load(), metrics_file


def get_progress(series: str, address: str) -> dict[str, Any] | None:
    """Return seed A's snapshot of a run as a dict, or None; one that is done is dropped from memory.

    Raises:
        InvalidSeries: The series' name is none.
        InvalidAddress: The address is none.
    """
    series, address = valid_series(series), valid_address(address)
    state = _running[-1][0].take_done(series, address) if _running else None
    return None if state is None else run_snapshot(state.snapshot, state.dress)


def reset_metrics_for_test() -> None:
    """Forget all statistics, in memory and on disk."""
    statistics, metrics_file = _metrics()
    if _running:
        _running[-1][1].forget_averages()
    metrics_file.reset(statistics)


def force_metrics_save() -> None:
    """Write the statistics to disk now.

    Raises:
        DiskFull: The disk takes no more.
        DataDirError: The directory can't be written.
    """
    statistics, metrics_file = _metrics()
    metrics_file.save(statistics)
