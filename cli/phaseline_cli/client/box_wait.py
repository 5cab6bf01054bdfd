"""Waiting until a box is free: until a machine, or one of its queues, has no active or queued job."""

import json
from typing import Any, Final
from urllib.parse import urlencode

from phaseline.model.states import State
from phaseline_cli.client.connection import Away, connect
from phaseline_cli.client.events import Event, TimedOut, channels_of, follow_until
from phaseline_cli.client.failures import Exit, Failure

__all__ = ["wait_until_free"]

_PAGE: Final = 1000
_OVER: Final = frozenset(str(state) for state in State if not state.unfinished)


def wait_until_free(url: str | None, host: str, queue: str | None, *, deadline: float, patience_s: float) -> None:
    """Return once the host, or one of its queues, has no active or queued job; for the other arguments, see `follow`.

    Raises:
        Failure: The server is gone for too long, rejects the request, or the deadline has passed.
    """
    left: set[str] = set()
    followed: set[str] = set()
    is_outdated = False

    def is_over(event: Event) -> bool:
        """Apply an event; return True once the box is free, or has jobs that are not followed."""
        nonlocal left, is_outdated
        is_outdated |= event.kind == "snapshot"  # the messages since the last one are not available
        if event.data and event.kind != "snapshot":
            message = json.loads(event.data)
            if message.get("state") in _OVER:
                left.discard(message["job_id"])
        if is_outdated or not left:
            left, is_outdated = _jobs_of(url, host, queue), False  # others may have arrived while these ended
        return not left or not left <= followed

    try:
        left = _jobs_of(url, host, queue)
        while left:
            followed = set(left)
            follow_until(is_over, url, channels_of(left), None, deadline=deadline, patience_s=patience_s)
    except Away as error:
        raise Failure(str(error), Exit.NO_SERVER) from error
    except TimedOut:
        raise Failure(f"time-out; {host} still has {', '.join(sorted(left))}", Exit.TIMED_OUT) from None


def _jobs_of(url: str | None, host: str, queue: str | None) -> set[str]:
    """Return the ids of the active and queued jobs."""
    query: dict[str, Any] = {"host": host, "state": f"{State.QUEUED},{State.ACTIVE}", "dismissed": "0", "limit": _PAGE}
    found: set[str] = set()
    with connect(url) as connection:
        while True:
            page = connection.read("GET", f"/progress/jobs?{urlencode(query)}")
            found.update(job["job_id"] for job in page["jobs"] if queue is None or job["queue"] == queue)
            if page["cursor"] is None:
                return found
            query["cursor"] = page["cursor"]
