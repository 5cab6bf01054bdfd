"""Testing helpers of the picture API, for the server that runs in this process."""

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
    """Make the helpers use this server during the block."""
    parts = (runs, tracker, metrics_file)
    _running.append(parts)
    try:
        yield
    finally:
        _running.remove(parts)


def _metrics() -> tuple[Statistics, MetricsFile]:
    """Return the running server's statistics; without a server, those in the current directory's file."""
    if _running:
        _, tracker, metrics_file = _running[-1]
        return tracker.statistics, metrics_file
    metrics_file = MetricsFile(Path())
    return metrics_file.load(), metrics_file


def get_progress(series: str, address: str) -> dict[str, Any] | None:
    """Return the picture API's snapshot of a run as a dict, or None; a finished run is removed from memory.

    Raises:
        InvalidSeries: The series' name is not valid.
        InvalidAddress: The address is not valid.
    """
    series, address = valid_series(series), valid_address(address)
    state = _running[-1][0].take_done(series, address) if _running else None
    return None if state is None else run_snapshot(state.snapshot, state.dress)


def reset_metrics_for_test() -> None:
    """Clear all statistics, in memory and on disk."""
    statistics, metrics_file = _metrics()
    if _running:
        _running[-1][1].forget_averages()
    metrics_file.reset(statistics)


def force_metrics_save() -> None:
    """Write the statistics to disk now.

    Raises:
        DiskFull: The disk is full.
        DataDirError: The directory is not writable.
    """
    statistics, metrics_file = _metrics()
    metrics_file.save(statistics)
