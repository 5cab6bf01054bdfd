"""Orders to the worker of a job."""

import json
from typing import Final
from urllib.parse import quote

from phaseline_cli.client.connection import Away, Connection, Rejected, connect
from phaseline_cli.client.failures import Exit, Failure, note

__all__ = ["NOT_STORED", "give", "give_or_fail"]

_PENDING: Final = "ORDER_PENDING"
NOT_STORED: Final = "orders are not stored for later; try again when the server is back"


def give(connection: Connection, job: str, order: str, reason: str, *, quiet: bool) -> None:
    """Order a job's worker to cancel, pause or resume the job, unless it already has the same order.

    Raises:
        Away: The server can't accept it for now.
        Rejected: The job has no worker that takes the order.
    """
    body = json.dumps({"order": order, "reason": reason}, ensure_ascii=False).encode()
    try:
        connection.read("POST", f"/progress/job/{quote(job, safe='')}/orders", body)
    except Rejected as error:
        if error.code != _PENDING:
            raise
        if not quiet:
            note("the order waits for the job's worker already")


def give_or_fail(job: str, order: str, reason: str, url: str | None, *, quiet: bool) -> None:
    """Connect and give an order, as `give`; raise Failure if the server is down."""
    try:
        with connect(url) as connection:
            give(connection, job, order, reason, quiet=quiet)
    except Away as error:
        raise Failure(f"{error}; {NOT_STORED}", Exit.NO_SERVER) from error
