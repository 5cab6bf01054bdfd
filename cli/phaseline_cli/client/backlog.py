"""Delivery of the reports that earlier commands kept."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.delivery.spool_file import SpoolFile, adopt
from phaseline.reporting.record import Record, sent
from phaseline_cli.client.connection import Away, Connection, Rejected
from phaseline_cli.client.failures import Exit, note
from phaseline_cli.client.reports import BATCH, check_result

__all__ = ["deliver", "thin"]

_SIZE: Final = 10_000
_BATCH: Final = 100
_BATCH_BYTES: Final = 262_144
_LONGEST_S: Final = 5.0
_PAUSE_S: Final = 0.02


def deliver(connection: Connection, paths: Sequence[Path]) -> None:
    """Deliver all reports of the files in order, and remove the files.

    Raises:
        Away: Not all could be delivered; the rest is still on disk.
        Rejected: The token is not allowed to report.
    """
    deadline = time.monotonic() + _LONGEST_S
    for path in paths:
        while (found := adopt(path, _SIZE)) is None:
            if not path.exists():
                break
            if time.monotonic() > deadline:
                raise Away("another process is delivering earlier reports")
            time.sleep(_PAUSE_S)
        else:
            spool, file = found
            try:
                _deliver(connection, spool, deadline)
            finally:
                spool.rewind()
                file.mark()
                file.close()


def _deliver(connection: Connection, spool: Spool, deadline: float) -> None:
    while batch := _limited(spool, spool.send(_BATCH)):
        if time.monotonic() > deadline:
            raise Away("more reports are stored than one command delivers; run a command again")
        for record, result in zip(batch, _results(connection, spool, batch), strict=True):
            try:
                check_result(result)
            except Rejected as error:
                note(f"a stored report of job {record.job_id} was rejected: {error.message}")
            spool.settle(record.number, accepted=bool(result["success"]))


def _limited(spool: Spool, batch: list[Record]) -> list[Record]:
    """Return the first records of a batch, up to a size; the others wait again."""
    size = 0
    for count, record in enumerate(batch):
        size += len(record.body)
        if count and size > _BATCH_BYTES:
            spool.rewind()
            return spool.send(count)
    return batch


def _results(connection: Connection, spool: Spool, batch: list[Record]) -> list[dict[str, Any]]:
    """Send a batch and return each result; a batch that is rejected as a whole is sent one by one."""
    frames = [sent(record, spool.producer) for record in batch]
    try:
        answer = connection.read("POST", BATCH, b"[%b]" % b",".join(frames))
    except Rejected as error:
        if error.exit_code == Exit.NOT_ALLOWED:
            raise
        if len(batch) == 1:
            return [{"success": False, "code": error.code, "error": error.message}]
        return [result for record in batch for result in _results(connection, spool, [record])]
    spool.epoch = str(answer["epoch"])
    results: list[dict[str, Any]] = answer["results"]
    return results


def thin(path: Path) -> None:
    """Drop superseded progress from a file that has grown large."""
    found = adopt(path, _SIZE)
    if found is None:
        return
    spool, file = found
    slim = Spool(spool.producer, _SIZE)
    slim.restore_settled(spool.number, spool.epoch)  # a number that the server may have received is never reused
    for record in spool.numbered():
        slim.add(record)
    thinned = SpoolFile(slim, path)
    thinned.rewrite()
    thinned.close()
    file.close()
