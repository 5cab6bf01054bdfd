"""Watching pueue: each of its tasks, as `pueue status --json` lists them (versions 3 and 4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit
from phaseline_cli.watch.listing import Entry, Unlisted, listed_by, watch_queue, words_of

__all__ = ["entries_of", "watch_program"]

_RUNNING: Final = frozenset({"Running", "Paused"})


async def watch_program(reporter: Reporter, *, until_idle: bool) -> Exit:
    """Report the tasks of the user's pueue."""

    async def read() -> Sequence[Entry]:
        return entries_of(await listed_by("pueue", "status", "--json"))

    return await watch_queue("pueue", read, reporter, until_idle=until_idle)


def entries_of(body: bytes) -> list[Entry]:
    """Return the tasks of an answer, those with a higher priority first; raise Unlisted if it is invalid."""
    try:
        tasks = list(msgspec.json.decode(body)["tasks"].values())
        ordered = sorted(tasks, key=lambda task: (-(task.get("priority") or 0), task["id"]))
        return [_entry(task) for task in ordered]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unlisted(f"its answer is not valid: {error}; supported: pueue 3 and 4") from None


def _entry(task: Mapping[str, Any]) -> Entry:
    status = task["status"]
    kind, details = next(iter(status.items())) if isinstance(status, dict) else (status, None)
    entry = Entry(str(task["id"]), words_of(str(task["command"])), "queued", str(task.get("group") or ""))
    if kind in _RUNNING:
        start = details.get("start") if isinstance(details, dict) else task.get("start")
        return entry._replace(state="running", began=_seconds(start))
    if kind != "Done":
        return entry  # queued, stashed, or edited at the moment
    start = details.get("start") if isinstance(details, dict) else task.get("start")
    entry = entry._replace(began=_seconds(start))
    return _ended(entry, details["result"] if isinstance(details, dict) and "result" in details else details)


def _ended(entry: Entry, result: Any) -> Entry:
    match result:
        case "Success":
            return entry._replace(state="done")
        case "Killed":
            return entry._replace(state="cancelled", reason="it was killed")
        case "DependencyFailed":
            return entry._replace(state="cancelled", reason="the task that it waited for failed")
        case {"Failed": code}:
            return entry._replace(state="failed", reason=f"exit code {code}")
        case {"FailedToSpawn": text}:
            return entry._replace(state="failed", reason=f"it could not be started: {text}")
        case _:
            return entry._replace(state="failed", reason="pueue reports an error")


def _seconds(time: Any) -> float | None:
    return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else None
