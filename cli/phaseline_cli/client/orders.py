"""Orders to the worker of a job."""

import json
from typing import Final
from urllib.parse import quote

from phaseline_cli.client.connection import Away, Connection, Rejected, connect
from phaseline_cli.client.failures import Exit, Failure, note

__all__ = ["give", "give_or_fail"]

_PENDING: Final = "ORDER_PENDING"


def give(connection: Connection, job: str, order: str, reason: str, *, quiet: bool) -> None:
    """Order a job's worker to cancel, pause or resume the job; an order that it has already is not given again.

    Raises:
        Away: The server can't accept it for now.
        Rejected: Nobody would carry it out.
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
    """Connect and give an order, as `give`; raise Failure while the server is away."""
    try:
        with connect(url) as connection:
            give(connection, job, order, reason, quiet=quiet)
    except Away as error:
        raise Failure(f"{error}; orders need the server", Exit.NO_SERVER) from error
