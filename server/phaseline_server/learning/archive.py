"""`metrics/runs/`: the final snapshot of every finished job as JSON (`--archive-runs`).

Picture runs are archived by the pictures package, in the picture API's format; all other jobs here, in the photo
protocol's.
"""

import re
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from phaseline.errors import PhaselineError
from phaseline.model.snapshot import Snapshot
from phaseline.model.workflows import makes_pictures
from phaseline.stream import JOBS, Message
from phaseline.wire import job_status
from phaseline_server.atomic_files import replace_file
from phaseline_server.errors import SlowSubscriber
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.log.stream import Log

__all__ = ["run_archive"]

_log: Final = structlog.get_logger()
_ENDS: Final = frozenset({"job_completed", "job_failed", "job_cancelled"})
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100


async def run_archive(tracker: Tracker, data_dir: Path) -> None:
    """Write each job that ends from now on to `data_dir/metrics/runs`; runs until canceled."""
    log, position = tracker.log, tracker.log.top
    while True:
        while page := await log.since(position):
            position = msgspec.structs.replace(position, seq=page[-1].seq)
            for message in page:
                if message.type in _ENDS:
                    await _archive(tracker, message, data_dir)
        await _wait_for_messages(log, position.seq)


async def _wait_for_messages(log: Log, seq: int) -> None:
    with log.subscribe([JOBS]) as subscriber:
        if log.top.seq == seq:
            try:
                await subscriber.receive_batch()
            except SlowSubscriber:
                return  # the queue overflowed, so there are messages to read


async def _archive(tracker: Tracker, message: Message, data_dir: Path) -> None:
    try:
        snapshot = await tracker.find(message.job_id)
        if makes_pictures(snapshot.workflow) or snapshot.seq != message.seq:
            return  # archived by the pictures package, or already started again
        document = msgspec.json.format(msgspec.json.encode(job_status(snapshot)), indent=2) + b"\n"
        path = data_dir / "metrics" / "runs" / _name(snapshot)
        await trio.to_thread.run_sync(replace_file, path, document, data_dir, 0o600)
    except PhaselineError as error:
        _log.warning("cannot archive a job", job_id=message.job_id, error=str(error))


def _name(snapshot: Snapshot) -> str:
    """Return a safe file name: no job id can escape the directory, and the sequence number makes it unique."""
    readable = _UNSAFE.sub("_", snapshot.job_id)[:_LONGEST_NAME].lstrip(".")
    return f"{readable}-{snapshot.started_ns}-{snapshot.seq}.json"
