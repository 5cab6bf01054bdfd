"""The web page: one document at `/`, `/job/<id>`, `/history`, `/boxes` and `/preview`, and its files.

Its scripts show the rest, over `/ws` and the HTTP API. Without JavaScript, `/` is a table of the
jobs, and `/preview` has all pictures.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from heapq import nsmallest
from typing import Final

import msgspec
import trio
from quart import Response, request, stream_template

from phaseline.model.job import Job
from phaseline.model.states import State
from phaseline.wire import JobStatus
from phaseline_server.access.keeper import CURRENT
from phaseline_server.errors import UnknownPath
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.page_files import PageFile, compressed, modules_of, read_files, serve_file
from phaseline_server.http.services import Services
from phaseline_server.jobs.turns import Turns
from phaseline_server.pictures.gallery import GalleryPicture

__all__ = ["add_handlers"]

_MOST: Final = 200
_MOST_PICTURES: Final = 500
_statuses: Final = msgspec.json.Decoder(JobStatus)
_COMMON: Final = ("base.css", "list.css", "narrow.css")
_STYLES: Final = {
    "list": _COMMON,
    "job": (*_COMMON, "job.css"),
    "history": (*_COMMON, "history.css"),
    "pictures": (*_COMMON, "pictures.css"),
    "boxes": (*_COMMON, "history.css", "boxes.css"),
}
"""The styles of each view. Its script is named as the view; the page loads those of other views later."""
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of the page and its files."""
    files = read_files()
    document = _documents().make

    @handlers
    async def page() -> Response:
        all_jobs = services.tracker.jobs()
        first = await services.tracker.statuses(await _most_urgent(all_jobs))
        totals, turns, statuses = _totals(all_jobs), Turns(), list[JobStatus]()
        for each in first:
            statuses.append(_statuses.decode(each))
            await turns.offer()
        return await document("list", jobs=statuses, totals=totals)

    @handlers
    async def page_job(job_id: str) -> Response:  # noqa: ARG001 (the script reads the id from the address)
        return await document("job", "../")

    for view in ("history", "boxes"):
        handlers.add(f"page_{view}", partial(document, view))

    @handlers
    async def preview() -> Response:
        grant, found = CURRENT.get().grant, list[GalleryPicture]()
        if grant is not None and grant.reads_all:
            found = await trio.to_thread.run_sync(services.gallery.pictures, _MOST_PICTURES)
        return await document("pictures", pictures=found)

    @handlers
    async def preview_picture(picture: str) -> Response:  # noqa: ARG001 (as above)
        return await document("pictures", "../../")

    @handlers
    async def page_file(name: str) -> Response:
        if name not in files:
            raise UnknownPath(request.path)
        return serve_file(files[name])


class _Documents:
    """The documents of the views. Their scripts show the rest."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._scripts = {view: modules_of(files, "main.js", f"{view}.js") for view in _STYLES}

    async def make(self, view: str, root: str = "", **content: object) -> Response:
        """Return a document.

        Args:
            view: The name of the view.
            root: The way from the document to the server's root.
            content: The content of the document without JavaScript.
        """
        parts, turns = list[str](), Turns()
        loaded = {"styles": _STYLES[view], "scripts": self._scripts[view]}
        async for part in await stream_template("page.html", root=root, **loaded, **content, **_WORDS):
            parts.append(part)
            await turns.offer()
        return compressed("".join(parts), _HEADERS)


@cache
def _documents() -> _Documents:
    return _Documents(read_files())


async def _most_urgent(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that the page lists; other tasks run meanwhile."""
    found, turns = list[Job](), Turns()
    for start in range(0, len(jobs), 1000):
        found = nsmallest(_MOST, [*found, *jobs[start : start + 1000]], key=_urgency)
        await turns.offer()
    return found


def _urgency(job: Job) -> tuple[bool, int]:
    """Return the sort key: active jobs first, then the latest start or end, so that rows move only then."""
    return job.state.ended, -(job.ended or job.started).wall_ns


def _totals(jobs: Sequence[Job]) -> str:
    """Return the number of jobs by state."""
    counts = Counter(job.state for job in jobs)
    failed = sum(count for state, count in counts.items() if state.bad)
    active = sum(count for state, count in counts.items() if state.at_work)
    rest = ((State.QUEUED, "queued"), (State.CANCELLED, "cancelled"))
    others = "".join(f" · {counts[state]} {word}" for state, word in rest if counts[state])
    return f"{active} active · {counts[State.COMPLETED]} done · {failed} failed{others}"


def _phase(job: JobStatus) -> str:
    """Return the phase that a job is in, or failed in."""
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


def _duration(seconds: float | None) -> str:
    """Return a duration as text."""
    if seconds is None:
        return "—"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


_WORDS: Final = {"phase": _phase, "error": _error, "duration": _duration}
