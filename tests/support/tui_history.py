"""A server's answers about past jobs, for tests and screenshots of the history view."""

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from phaseline_tui.model.connection import Reply
from phaseline_tui.model.failures import LinkError
from tests.support.tui_jobs import dalle_job, failed_photo, photo_job

__all__ = ["PastServer", "past_jobs", "totals_answer"]

Json = dict[str, Any]
_NAMES = (
    "SC024_{:03}_comp_lighting_v07.CR3",
    "DSC_{:04}_panorama_stitched_final.NEF",
    "IMG_{:04}.CR3",
    "Meier-Huber_Hochzeit_{:04}.CR3",
)


def past_jobs(count: int = 120) -> list[Json]:
    """Return jobs that ended in the last days, newest end first."""
    jobs: list[Json] = []
    for number in range(count):
        ago = 60.0 + number * number * 11.0
        name = _NAMES[number % len(_NAMES)].format(40 + number * 7 % 900)
        more: Json = {"ended_ago": ago, "series": "wedding" if number % 3 else "portrait", "host": f"box{number % 3}"}
        if number % 11 == 4:
            broken = failed_photo() | {"job_id": f"job_{number}", "series": "wedding", "host": "box1"}
            later = dt.timedelta(seconds=41.0 - ago)  # the failure of `failed_photo` is 41 s ago
            for each in (broken, *broken["stages"], *broken["errors"]):
                for name in ("started_at", "completed_at", "timestamp"):
                    if each.get(name):
                        each[name] = (dt.datetime.fromisoformat(each[name]) + later).isoformat()
            jobs.append(broken)
        elif number % 17 == 9:
            jobs.append(dalle_job("simple", f"0x{number * 7919:x}", 8, state="completed", ended_ago=ago))
        elif number % 23 == 6:
            error = {"error": "cancelled by mira"}
            jobs.append(photo_job(f"job_{number}", name, 4, state="cancelled", result=error, **more))
        else:
            speed = 0.7 + number * 13 % 17 / 20
            jobs.append(photo_job(f"job_{number}", name, 8, state="completed", speed=speed, **more))
    return jobs


def totals_answer() -> Json:
    """Return an answer of `/progress/totals`."""
    lines = [
        ("photo", "wedding", 812, 21, 38.2, 51.0, 37.9, 4410),
        ("photo", "portrait", 406, 0, 33.1, 60.4, 41.7, 2100),
        ("render", "sc024", 96, 6, 723.9, 993.5, 584.0, 312),
        ("encode", "h265", 62, 2, 780.5, 943.4, None, 0),
        ("dalle", "simple", 31, 1, 27.4, 30.2, 27.3, 2),
        ("train", "resnet50", 2, 0, 10860.0, 15600.0, 9180.0, 9),
    ]
    names = ("workflow", "series", "runs", "failed", "median_seconds", "p95_seconds", "median_before_seconds")
    return {
        "success": True,
        "since": "2026-11-08T00:00:00Z",
        "until": None,
        "workflows": [
            dict(zip((*names, "runs_before"), line, strict=True)) | {"completed": line[2] - line[3], "lost": 0}
            for line in lines
        ],
    }


class PastServer:
    """Answers requests as a server would; `request` takes the place of `ProgressApp.request`."""

    def __init__(self, jobs: Sequence[Json], totals: Json | None = None) -> None:
        self.jobs = list(jobs)
        self.totals = totals_answer() if totals is None else totals
        self.asked: list[str] = []
        self.failure: tuple[int, str] | None = None
        """Status and text of an error to answer with."""
        self.away = ""
        """The reason why there is no connection."""

    def request(self, origin: str, method: str, path: str, body: bytes = b"") -> "Future[Reply]":
        """Answer a request for a page of jobs, the totals, or one job."""
        del origin, method, body
        self.asked.append(path)
        future: Future[Reply] = Future()
        if self.away:
            future.set_exception(LinkError(self.away))
        elif self.failure is not None:
            status, text = self.failure
            future.set_result(Reply(status, msgspec.json.encode({"success": False, "error": text})))
        else:
            answer = self._answer(path)
            future.set_result(Reply(200 if answer else 404, msgspec.json.encode(answer)))
        return future

    def _answer(self, path: str) -> Json:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/progress/totals":
            return self.totals
        if parts.path == "/progress/jobs":
            start, limit = int(query.get("cursor", 0)), int(query["limit"])
            words = query.get("q", "").casefold().split()
            states = query["state"].split(",")
            found = [
                job for job in self.jobs if job["state"] in states and all(w in str(job).casefold() for w in words)
            ]
            more = str(start + limit) if start + limit < len(found) else None
            since = "2026-11-08T00:00:00Z"
            return {"success": True, "jobs": found[start : start + limit], "cursor": more, "since": since}
        job_id = unquote(parts.path.removeprefix("/progress/job/"))
        found_job = next((job for job in self.jobs if job["job_id"] == job_id), None)
        return {} if found_job is None else {"success": True, "job_status": found_job}
