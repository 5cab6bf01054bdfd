"""Watching Slurm: the user's jobs, as `squeue --json` lists them (versions 22.05 to 24.11)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit
from phaseline_cli.watch.listing import Entry, Unlisted, listed_by, watch_queue

__all__ = ["entries_of", "watch_program"]

_RUNNING: Final = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"})
_FAILED: Final = {
    "BOOT_FAIL": "its node did not start",
    "DEADLINE": "it missed its deadline",
    "FAILED": "it failed",
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "it had too little memory",
    "TIMEOUT": "it exceeded its time limit",
}
_CANCELLED: Final = {"CANCELLED": "cancelled", "PREEMPTED": "another job took its place", "REVOKED": "revoked"}


async def watch_program(reporter: Reporter, *, until_idle: bool) -> Exit:
    """Report the user's jobs in Slurm."""

    async def read() -> Sequence[Entry]:
        return entries_of(await listed_by("squeue", "--me", "--states=all", "--json"))

    return await watch_queue("slurm", read, reporter, until_idle=until_idle)


def entries_of(body: bytes) -> list[Entry]:
    """Return the jobs of an answer, those with a higher priority first; raise Unlisted if it is invalid."""
    try:
        jobs = msgspec.json.decode(body)["jobs"]
        ordered = sorted(jobs, key=lambda job: (-(_number(job.get("priority")) or 0), job["job_id"]))
        return [_entry(job) for job in ordered]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise Unlisted(f"its answer is not valid: {error}; supported: Slurm 22.05 to 24.11") from None


def _entry(job: Mapping[str, Any]) -> Entry:
    states = job["job_state"]
    state = states if isinstance(states, str) else str(states[0])
    entry = Entry(str(job["job_id"]), [str(job.get("name") or "job")], "queued", str(job.get("partition") or ""))
    if state not in _RUNNING | _FAILED.keys() | _CANCELLED.keys() | {"COMPLETED"}:
        return entry  # PENDING, CONFIGURING, or a newer word: it has not begun
    began = _number(job.get("start_time")) or None
    if state in _RUNNING:
        return entry._replace(state="running", began=began)
    if state in _CANCELLED:
        return entry._replace(state="cancelled", began=began, reason=_CANCELLED[state])
    if state == "COMPLETED":
        return entry._replace(state="done", began=began)
    code = job.get("exit_code")
    number = _number(code.get("return_code") if isinstance(code, dict) else code)
    reason = f"exit code {number:g}" if state == "FAILED" and number else _FAILED[state]
    return entry._replace(state="failed", began=began, reason=reason)


def _number(value: Any) -> float | None:
    """Return a number, which newer versions wrap in an object that says whether it is set."""
    if isinstance(value, dict):
        value = value.get("number") if value.get("set") else None
    return float(value) if isinstance(value, int | float) else None
