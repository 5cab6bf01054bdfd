"""Reports of a command: sent to the server, or kept on disk while it is away."""

import json
from typing import Any, Final

from phaseline.client.address import LOG_AWAY
from phaseline.client.command_spool import CommandSpool, Locked, new_producer
from phaseline.client.state import spool_folder
from phaseline_cli.client.connection import Away, Connection, Rejected, addresses_of, connect
from phaseline_cli.client.failures import Exit, Failure, note

__all__ = ["BATCH", "check_result", "send"]

BATCH: Final = "/progress/batch"
_CONNECT_S: Final = 2.0
_ANSWER_S: Final = 5.0
_PATIENCE_S: Final = 5.0
_MOST_BYTES: Final = 2**22
_TEMPORARY: Final = LOG_AWAY | {"DISK_FULL", "JOURNAL_FAILED", "RATE_LIMITED", "TOO_MANY"}


def send(report: dict[str, Any], url: str | None, *, strict: bool, quiet: bool) -> None:
    """Send a report, after those that are kept; keep it while the server is away.

    Args:
        report: A message of the photo protocol.
        url: The server's address; None for PROGRESS_URL.
        strict: Fail while the server is away, and keep nothing.
        quiet: Print nothing about it.

    Raises:
        Rejected: The server rejected the report.
        Failure: The server is away, and the report can't be kept or `strict` is set.
    """
    addresses = addresses_of(url)
    spool = CommandSpool(spool_folder(addresses))
    # Several servers may receive it one after the other, so it needs a number to be recorded once.
    producer = new_producer() if len(addresses) > 1 else ""
    numbered = {**report, "producer": producer, "producer_seq": 1} if producer else report
    posting = False
    try:
        with connect(url, _CONNECT_S, _ANSWER_S) as connection:
            if not spool.paths():
                posting = True
                _post(connection, numbered, quiet=quiet)
                return
            from phaseline_cli.client.backlog import deliver  # noqa: PLC0415 - rarely needed, and slow to load

            with spool.locked(_PATIENCE_S):
                deliver(connection, spool.paths())
                posting = True
                _post(connection, numbered, quiet=quiet)
    except (Away, Locked, OSError) as error:
        reason = str(error) or "another command is delivering earlier reports"
        if strict:
            raise Failure(reason, Exit.NO_SERVER) from error
        in_doubt = posting and getattr(error, "sent", False)
        _keep(spool, report, reason, producer if in_doubt else "", quiet=quiet)


def _post(connection: Connection, report: dict[str, Any], *, quiet: bool) -> None:
    answer = connection.read("POST", BATCH, json.dumps([report], ensure_ascii=False).encode())
    [result] = answer["results"]
    check_result(result)
    if not quiet:
        for hint in filter(None, [result.get("hint")]):
            note(str(hint))


def check_result(result: dict[str, Any]) -> None:
    """Raise Rejected if the result of a report is an error, or Away if it is a temporary one."""
    if result["success"]:
        return
    code, text = str(result.get("code", "")), str(result.get("error", ""))
    if code in _TEMPORARY:
        raise Away(text)
    raise Rejected(200, code, text)


def _keep(spool: CommandSpool, report: dict[str, Any], reason: str, producer: str, *, quiet: bool) -> None:
    try:
        with spool.locked(_PATIENCE_S):
            path = spool.append(report, producer)
            if path.stat().st_size > _MOST_BYTES:
                from phaseline_cli.client.backlog import thin  # noqa: PLC0415 - as above

                thin(path)
    except (Locked, OSError) as error:
        why = getattr(error, "strerror", None) or "its folder is locked"
        raise Failure(f"{reason}; the report can't be stored either: {why}", Exit.NO_SERVER) from error
    if not quiet:
        note(f"{reason}; the report is stored and delivered later")
