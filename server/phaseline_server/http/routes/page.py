"""`GET /`: all jobs as a web page.

The page works without JavaScript; with it, the page updates over `/ws`.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio
from quart import Response, render_template

from phaseline.model.snapshot import Snapshot
from phaseline.wire import JobStatus, job_status
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.services import Services

__all__ = ["PAGE", "add_handlers"]

PAGE: Final = Path(__file__).parents[1] / "page"
"""The folder of the templates, styles and scripts."""
_MOST: Final = 500
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
        all_jobs = sorted(services.tracker.snapshots(), key=_urgency)
        jobs = [job_status(snapshot) for snapshot in all_jobs[:_MOST]]
        html = await render_template("page.html", jobs=jobs, totals=_totals(all_jobs), **_WORDS)
        return Response(html, headers=_HEADERS, content_type="text/html; charset=utf-8")

    for name, (file, kind) in _ASSETS.items():
        handlers.add(name, partial(_asset, PAGE / file, kind))


async def _asset(path: Path, kind: str) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return Response(await trio.Path(path).read_bytes(), headers=headers, content_type=f"{kind}; charset=utf-8")


def _urgency(snapshot: Snapshot) -> tuple[bool, int]:
    """Return the sort key: active jobs first, then the latest start or end, so that rows move only then."""
    return snapshot.state.ended, -(snapshot.ended_ns or snapshot.started_ns)


def _totals(snapshots: Sequence[Snapshot]) -> str:
    """Return the number of jobs by state, worded as by `paint` in page.js."""
    failed = sum(snapshot.state.bad for snapshot in snapshots)
    active = sum(snapshot.state.at_work for snapshot in snapshots)
    return f"{active} active · {len(snapshots) - active - failed} done · {failed} failed"


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
