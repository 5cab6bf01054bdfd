"""Jobs and messages in words. A server's texts are untrusted: each is sanitized and put on one line."""

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from phaseline.model.states import STATES, State, Tone
from phaseline.text import duration_text, one_line

__all__ = ["STYLES", "UNKNOWN", "clock", "describe", "duration", "percent", "percent_of", "state_word"]

UNKNOWN: Final = "—"
_COLORS: Final[dict[Tone, str]] = {"now": "cyan", "good": "green", "bad": "red", "warn": "yellow"}
STYLES: Final = {str(state): _COLORS.get(state.tone) for state in STATES}
_SHOWN_FACTS: Final = 8


def duration(seconds: float | None) -> str:
    """Return a time in its two largest units: `8s`, `1m 12s`, `1h 02m`, `3d 04h`; a dash if it is unknown."""
    return UNKNOWN if seconds is None else duration_text(seconds)


def percent(value: float | None) -> str:
    """Return a percentage, rounded down, so that 100 means all; a dash if it is unknown."""
    return UNKNOWN if value is None else f"{int(value)}%"


def percent_of(status: Mapping[str, Any]) -> str:
    """Return a job's percentage; a dash if nothing is known of its progress."""
    value = status.get("percent")
    known = value or (status.get("eta_seconds") is not None and status.get("completed_at") is None)
    return percent(value if known else None)


def state_word(status: Mapping[str, Any]) -> str:
    """Return a job's state in words; `paused` takes precedence."""
    state = str(status.get("state"))
    if status.get("paused"):
        return "paused"
    return State(state).word if state in STATES else one_line(state, 20)


def clock(timestamp: object) -> str:
    """Return the local time of day of an RFC 3339 timestamp."""
    from datetime import datetime  # noqa: PLC0415 - not every command needs it

    try:
        return datetime.fromisoformat(str(timestamp)).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return time.strftime("%H:%M:%S")


def describe(message: Mapping[str, Any]) -> str:
    """Return a message of the stream in words, without its job."""
    stage, text = one_line(str(message.get("stage") or "")), one_line(str(message.get("message") or ""))
    result = message.get("result")
    reason = one_line(str(result.get("error") or "")) if isinstance(result, dict) else ""
    kind = str(message.get("type"))
    match kind:
        case "job_queued":
            place = message.get("position")
            words = f"queued in {one_line(str(message['queue']))}" if message.get("queue") else "queued"
            words += "" if place is None else f", place {place}"
        case "order_given" | "order_taken" | "order_refused":
            words = f"order to {one_line(str(message.get('order')))}"
            words += "" if kind == "order_given" else f" {kind.removeprefix('order_')}"
            words += f": {one_line(str(message['reason']))}" if message.get("reason") else ""
        case "job_started":
            words = f"started, {one_line(str(message.get('workflow', '')))}"
        case "job_progress":
            done = "" if message.get("progress") is None else f" {percent(message['progress'])}"
            words = f"{stage}{done}{': ' if text else ''}{text}"
        case "stage_completed":
            took = message.get("stage_seconds")
            words = f"{stage} {'skipped' if message.get('skipped') else 'done'}"
            words += "" if took is None or message.get("skipped") else f" in {duration(took)}"
        case "error_occurred":
            words = f"error: {one_line(str(message.get('error_message')))}"
        case "job_completed" | "job_failed":
            words = f"{state_word(message)} after {duration(message.get('duration'))}"
            words += f": {reason}" if reason else ""
        case "job_stalled" | "job_lost":
            words = f"{state_word(message)}: {one_line(str(message.get('reason')))}"
        case "photo_info":
            facts = message.get("photo_data")
            names = list(facts)[:_SHOWN_FACTS] if isinstance(facts, dict) else []
            words = f"facts: {', '.join(one_line(str(name), 40) for name in names)}"
        case _:
            words = one_line(kind.removeprefix("job_").replace("_", " "))
    return click.style(words, fg=STYLES.get(str(message.get("state"))) if kind in _ENDS else None)


_ENDS: Final = frozenset({"job_completed", "job_failed", "job_stalled", "job_lost", "error_occurred"})
