"""The stream of messages as a command follows it: by Server-Sent Events, across lost connections."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import quote

from phaseline_cli.client.connection import LOST, Away, Connection, connect
from phaseline_cli.client.failures import Exit, Failure, note
from phaseline_cli.client.http_answer import Answer

__all__ = ["Event", "TimedOut", "channels_of", "follow", "follow_until"]

SILENCE_S: Final = 45.0
"""The server sends a comment every 15 s, so a longer silence means that the connection is lost."""
_BACKOFF_S: Final = (0.2, 5.0)
_LONGEST_LINE: Final = 2**28
_MOST_CHANNELS: Final = 500


class TimedOut(Exception):
    """The deadline has passed."""


class Event(NamedTuple):
    """One event of the stream."""

    position: str
    """The stream's position after it: `<epoch>/<seq>`."""
    kind: str
    data: bytes
    """The message as JSON; of a `snapshot`, the state of all jobs."""


def channels_of(job_ids: Iterable[str]) -> str:
    """Return the channels that carry the messages of these jobs, and perhaps those of others."""
    ids = list(job_ids)
    if not ids or len(ids) > _MOST_CHANNELS or any("," in job_id for job_id in ids):  # a comma separates channels
        return "jobs"
    return ",".join(f"job:{job_id}" for job_id in ids)


def follow(
    url: str | None,
    channels: str,
    since: str | None,
    *,
    deadline: float = float("inf"),
    patience_s: float = float("inf"),
) -> Generator[Event]:
    """Yield the events after `since`, or first a snapshot; continue after a lost connection where it was lost.

    An event without a position is a sign of life: the connection is open, or was quiet for 15 s.

    Args:
        url: The server's address; None for PROGRESS_URL.
        channels: Names of channels, separated by commas.
        since: A position, or None.
        deadline: When to give up, in seconds of the monotonic clock.
        patience_s: Time to wait for a server that has gone, in seconds.

    Raises:
        Failure: The server is gone for too long, or rejects the request.
        TimedOut: The deadline has passed.
    """
    pause, longest = _BACKOFF_S
    lost_at: float | None = None
    while True:
        try:
            with connect(url) as connection:
                query = f"channels={quote(channels, safe='')}" + (f"&since={quote(since, safe='/')}" if since else "")
                for event in _events(connection, f"/events?{query}", deadline):
                    lost_at, pause = None, _BACKOFF_S[0]
                    since = event.position or since
                    yield event
            reason = "the server closed the stream"
        except (Away, *LOST) as error:
            reason = str(error)
        now = time.monotonic()
        if lost_at is None:
            lost_at = now
            note(f"{reason}; reconnecting")
        if now > deadline:
            raise TimedOut
        if now - lost_at > patience_s:
            raise Failure(f"{reason}; no server for {patience_s:.0f} s", Exit.NO_SERVER)
        time.sleep(max(0.0, min(pause, deadline - now)))
        pause = min(2 * pause, longest)


def follow_until(
    is_over: Callable[[Event], bool],
    url: str | None,
    channels: str,
    since: str | None,
    *,
    deadline: float,
    patience_s: float,
) -> None:
    """Call `is_over` with each event of `follow` until it returns True.

    If it raises Away, the connection counts as lost, so a server that restarts meanwhile is waited for.
    """
    events = follow(url, channels, since, deadline=deadline, patience_s=patience_s)
    event = next(events)
    while True:
        try:
            if is_over(event):
                return
        except Away as error:
            event = events.throw(error)
        else:
            event = next(events)


def _events(connection: Connection, path: str, deadline: float) -> Iterator[Event]:
    """Yield the events of one connection."""
    answer = connection.open("GET", path, headers={"Accept": "text/event-stream"})
    event = Event("", "", b"")
    yield event
    while line := _line(answer, connection, deadline):
        name, _, value = line.rstrip(b"\r\n").partition(b": ")
        match name:
            case b"id":
                event = event._replace(position=value.decode("utf-8", "replace"))
            case b"event":
                event = event._replace(kind=value.decode("utf-8", "replace"))
            case b"data":
                event = event._replace(data=value)
            case b"":  # the end of an event, or of a comment
                yield event
                event = Event("", "", b"")
            case _:
                pass


def _line(answer: Answer, connection: Connection, deadline: float) -> bytes:
    """Return the next line, b"" at the end."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimedOut
    connection.wait_at_most(min(left, SILENCE_S))
    try:
        return answer.line(_LONGEST_LINE)
    except TimeoutError:
        if time.monotonic() >= deadline:
            raise TimedOut from None
        raise Away(f"the server sent nothing for {SILENCE_S:g} s") from None
