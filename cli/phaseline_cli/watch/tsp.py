"""Watching task-spooler (`tsp`): each of its jobs, as its list has them."""

import re
import time
from collections.abc import Sequence
from typing import Final

from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit
from phaseline_cli.watch.listing import Entry, Unlisted, listed_by, watch_queue, words_of

__all__ = ["entries_of", "watch_program"]

_LINE: Final = re.compile(
    r"(?P<id>\d+)\s+(?P<state>[a-z]+)\s+(?P<output>\([^)]*\)|\S+)\s+"
    r"(?:(?P<code>-?\d+)\s+[\d.]+/[\d.]+/[\d.]+\s+)?(?P<command>\S.*)"
)
_PREFIX: Final = re.compile(r"(?:\[[^]]*\](?:&&)?\s*)*")
"""The label, and the job that it depends on."""
_RUNNING: Final = re.compile(rb"^Time running: ([\d.]+)s", re.MULTILINE)


async def watch_program(reporter: Reporter, *, until_idle: bool) -> Exit:
    """Report the jobs of the task-spooler that TS_SOCKET names, else of the user's own."""
    starts: dict[str, float] = {}

    async def read() -> Sequence[Entry]:
        entries = []
        for entry in entries_of((await listed_by("tsp")).decode(errors="replace")):
            if entry.state == "running" and entry.entry_id not in starts:
                try:
                    shown = _RUNNING.search(await listed_by("tsp", "-i", entry.entry_id))
                except Unlisted:  # it ended after the list was read
                    shown = None
                starts[entry.entry_id] = time.time() - float(shown[1] if shown is not None else 0.0)
            if entry.state == "queued":
                starts.pop(entry.entry_id, None)  # task-spooler begins again with 0 when it restarts
            entries.append(entry._replace(began=starts.get(entry.entry_id)))
        return entries

    return await watch_queue("tsp", read, reporter, until_idle=until_idle)


def entries_of(text: str) -> list[Entry]:
    """Return the entries of the list that `tsp` prints."""
    return [_entry(found) for line in text.splitlines()[1:] if (found := _LINE.fullmatch(line.rstrip())) is not None]


def _entry(found: re.Match[str]) -> Entry:
    entry = Entry(found["id"], words_of(_PREFIX.sub("", found["command"], count=1)), "queued")
    code = int(found["code"] or 0)
    match found["state"]:
        case "running":
            return entry._replace(state="running")
        case "finished" if code < 0:
            return entry._replace(state="failed", reason="a signal ended it")
        case "finished" if code:
            return entry._replace(state="failed", reason=f"exit code {code}")
        case "finished":
            return entry._replace(state="done")
        case "skipped":
            return entry._replace(state="cancelled", reason="the job that it waited for failed")
        case _:
            return entry
