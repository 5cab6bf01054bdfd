"""`GET /`: all jobs as a web page.

The page works without JavaScript; with it, the page updates over `/ws`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import Final

import msgspec
import trio
from quart import Response, stream_template

from phaseline.model.job import Job
from phaseline.wire import JobStatus
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.services import Services
from phaseline_server.jobs.turns import Turns

__all__ = ["PAGE", "add_handlers"]

PAGE: Final = Path(__file__).parents[1] / "page"
"""The folder of the templates, styles and scripts."""
_MOST: Final = 500
_statuses: Final = msgspec.json.Decoder(JobStatus)
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_ASSETS: Final = {
    "page_style": ("page.css", "text/css"),
    "page_script": ("page.js", "text/javascript"),
    "page_icon": ("icon.svg", "image/svg+xml"),
}


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of the page and its assets."""

    @handlers
    async def page() -> Response:
        all_jobs = services.tracker.jobs()
        first = await services.tracker.statuses(nsmallest(_MOST, all_jobs, key=_urgency))
        jobs = [_statuses.decode(document) for document in first]
        parts, turns = list[str](), Turns()
        async for part in await stream_template("page.html", jobs=jobs, totals=_totals(all_jobs), **_WORDS):
            parts.append(part)
            await turns.offer()
        return Response("".join(parts), headers=_HEADERS, content_type="text/html; charset=utf-8")

    for name, (file, kind) in _ASSETS.items():
        handlers.add(name, partial(_asset, PAGE / file, kind))


async def _asset(path: Path, kind: str) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return Response(await trio.Path(path).read_bytes(), headers=headers, content_type=f"{kind}; charset=utf-8")


def _urgency(job: Job) -> tuple[bool, int]:
    """Return the sort key: active jobs first, then the latest start or end, so that rows move only then."""
    return job.state.ended, -(job.ended or job.started).wall_ns


def _totals(jobs: Sequence[Job]) -> str:
    """Return the number of jobs by state, worded as by `paint` in page.js."""
    counts = Counter(job.state for job in jobs)
    failed = sum(count for state, count in counts.items() if state.bad)
    active = sum(count for state, count in counts.items() if state.at_work)
    return f"{active} active · {len(jobs) - active - failed} done · {failed} failed"


def _phase(job: JobStatus) -> str:
    """Return the phase that a job is in, or failed in, as `phaseOf` in page.js does."""
    place = f"{job.stage_index}/{job.stage_count}"
    wanted = "failed" if job.completed_at else "current"
    now = next((stage for stage in job.stages if stage.state == wanted), None)
    if now is None:
        return place
    percent = "" if job.completed_at or now.progress is None else f" · {math.floor(now.progress)} %"
    return f"{place} {now.name}{percent}"


def _error(job: JobStatus) -> str:
    """Return the latest error, or else the error in the result; "" if there is none."""
    if job.errors:
        return job.errors[-1].error_message
    return str((job.result or {}).get("error") or "") if job.completed_at else ""


def _name(job: JobStatus) -> str:
    """Return the name to show for a job."""
    if job.workflow == "dalle":
        return f"{job.series}/{job.photo_id}"
    return str(job.photo_info.get("file_name") or job.photo_id or job.job_id)


def _duration(seconds: float | None) -> str:
    """Return a duration as text, as `duration` in page.js does."""
    if seconds is None:
        return "—"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


_WORDS: Final = {"name": _name, "phase": _phase, "error": _error, "duration": _duration}
