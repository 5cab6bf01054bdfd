"""`GET /`: every job on a page, for people who have no terminal at hand.

The page is readable as it is served; with JavaScript it lives on, over `/ws`.
"""

from pathlib import Path
from typing import Final

import trio
from quart import Blueprint, Response, render_template

from phaseline.snapshot import Snapshot
from phaseline.wire import JobStatus, job_status
from phaseline_server.services import Services

__all__ = ["blueprint"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
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
_KINDS: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("page", __name__, template_folder="templates")

    @routes.get("/")
    async def page() -> Response:
        newest = sorted(services.tracker.snapshots(), key=_urgency)[:_MOST]
        jobs = [job_status(snapshot) for snapshot in newest]
        html = await render_template("page.html", jobs=jobs, name=_name, duration=_duration)
        return Response(html, headers=_HEADERS, content_type="text/html; charset=utf-8")

    @routes.get("/<any('page.css', 'page.js', 'icon.svg'):file>")
    async def asset(file: str) -> Response:
        content = await trio.Path(_TEMPLATES / file).read_bytes()
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return Response(content, headers=headers, content_type=f"{_KINDS[file]}; charset=utf-8")

    return routes


def _urgency(snapshot: Snapshot) -> tuple[bool, int]:
    """Sort what is active first, then by the latest event."""
    return snapshot.state.ended, -snapshot.seq


def _name(job: JobStatus) -> str:
    """Return what people call a job."""
    if job.workflow == "dalle":
        return f"{job.series}/{job.photo_id}"
    return str(job.photo_info.get("file_name") or job.photo_id or job.job_id)


def _duration(seconds: float | None) -> str:
    """Return a duration in words; as `duration` in page.js."""
    if seconds is None:
        return "—"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
