"""Watching OpenCue: the user's jobs, as its Python library `opencue` lists them (pycue 1.37).

Cuebot only supports gRPC. OpenCue's library runs in its own Python interpreter, as a subprocess.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit
from phaseline_cli.watch.listing import Entry, Unlisted, listed_by, watch_queue

__all__ = ["entries_of", "watch_program"]

_PACE_S: Final = 5.0
"""Each look starts an interpreter, which loads gRPC; a frame takes minutes."""
_LIST: Final = """
import getpass, json, opencue
from google.protobuf.json_format import MessageToDict
jobs = opencue.api.getJobs(user=[getpass.getuser()], include_finished=True)
print(json.dumps([MessageToDict(job.data, preserving_proto_field_name=True) for job in jobs]))
"""


async def watch_program(reporter: Reporter, *, until_idle: bool) -> Exit:
    """Report the user's jobs in OpenCue."""

    async def read() -> Sequence[Entry]:
        return entries_of(await listed_by("python3", "-c", _LIST))

    return await watch_queue("opencue", read, reporter, until_idle=until_idle, pace_s=_PACE_S)


def entries_of(body: bytes) -> list[Entry]:
    """Return the jobs of an answer, those with a higher priority first; raise Unlisted if it is invalid."""
    try:
        jobs = msgspec.json.decode(body, type=list[dict[str, Any]])
        ordered = sorted(jobs, key=lambda job: (-job.get("priority", 0), job.get("start_time", 0)))
        return [_entry(job) for job in ordered]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise Unlisted(f"its answer is not valid: {error}; supported: pycue 1.37") from None


def _entry(job: Mapping[str, Any]) -> Entry:
    # An answer omits what is 0 or false, and the state PENDING, which is 0 too.
    stats = job.get("job_stats", {})
    total, dead = stats.get("total_frames", 0), stats.get("dead_frames", 0)
    done = stats.get("succeeded_frames", 0) + stats.get("eaten_frames", 0)
    entry = Entry(
        job["id"], [job["name"]], "queued", job.get("show", ""), done=done, total=total or None, unit="frames"
    )
    match job.get("state", "PENDING"):
        case "FINISHED" if done == total:
            return entry._replace(state="done")
        case "FINISHED" if dead:
            return entry._replace(state="failed", reason=f"{dead} of {total} frames failed")
        case "FINISHED":
            return entry._replace(state="cancelled", reason=f"it was killed after {done} of {total} frames")
        case "PENDING" if done or dead or stats.get("running_frames"):
            return entry._replace(state="running")
        case _:
            return entry
