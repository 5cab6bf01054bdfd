"""Watching a Stable Diffusion web UI (AUTOMATIC1111, Forge): each generation is a job, which counts its images.

`GET /sdapi/v1/progress` describes the generation that runs. It does not report the end of a generation: the next answer
describes another generation, or none.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import trio

from phaseline.client.http import HttpRejected
from phaseline.model.events import JobCancelled, JobCompleted
from phaseline.reporting import Reporter
from phaseline.text import one_line
from phaseline_cli.client.failures import Exit, Failure
from phaseline_cli.watch.foreign import ForeignServer, reason_of
from phaseline_cli.watch.session import NO_LONGER, Contact

__all__ = ["watch_server"]

_PACE_S: Final = 0.5
_PROGRESS: Final = "/sdapi/v1/progress?skip_current_image=true"
_PENDING: Final = "/internal/pending-tasks"
_PHASE: Final = "images"
_NOT_FOUND: Final = 404


async def watch_server(url: str, port: int, reporter: Reporter, *, until_idle: bool) -> Exit:
    """Report the generations of the web UI at `url` until none runs if `until_idle`, else forever.

    Raises:
        Failure: The address is invalid, or the web UI has no API.
    """
    async with ForeignServer(url, port) as server:
        contact = Contact(server.where)
        job: Generation | None = None
        try:
            while True:
                try:
                    answer = await server.get(_PROGRESS)
                    waiting = await _waiting(server)
                except Exception as error:  # noqa: BLE001 - `reason_of` raises the errors that it does not know
                    if isinstance(error, HttpRejected) and error.status == _NOT_FOUND:
                        raise Failure(
                            f"{server.where} has no {_PROGRESS.partition('?')[0]}; start it with --api"
                        ) from None
                    await contact.lost(reason_of(error))
                    continue
                contact.found()
                job = _taken(answer, waiting, job, reporter)
                if until_idle and job is None and not waiting:
                    return Exit.DONE
                await trio.sleep(_PACE_S)
        except BaseException:
            if job is not None:
                job.cancel(NO_LONGER)
            raise


async def _waiting(server: ForeignServer) -> int:
    """Return the number of generations that wait; 0 if the web UI does not tell."""
    try:
        answer = await server.get(_PENDING)
    except HttpRejected:  # it runs without its page, or is older
        return 0
    size = answer.get("size") if isinstance(answer, dict) else None
    return size if isinstance(size, int) else 0


def _taken(answer: Any, waiting: int, job: "Generation | None", reporter: Reporter) -> "Generation | None":
    """Return the generation that runs now; another one that was known is over."""
    state = answer.get("state") if isinstance(answer, dict) else None
    state = state if isinstance(state, dict) else {}
    runs = bool(state.get("job")) or bool(state.get("job_count"))
    key = str(answer.get("current_task") or state.get("job_timestamp") or "") if runs else ""
    if job is not None and job.key != key:
        job.end()
        job = None
    if runs and job is None:
        job = Generation(reporter, key, state)
    if job is not None:
        job.take(state, one_line(str(answer.get("textinfo") or "")), waiting)
    return job


class Generation:
    """Reports one generation: one call of txt2img, img2img or another function, which may make several images."""

    def __init__(self, reporter: Reporter, key: str, state: Mapping[str, Any]) -> None:
        """Start the job."""
        self.key = key
        self._reporter = reporter
        kind = one_line(str(state.get("job") or ""), 60).removeprefix("scripts_").partition("(")[0] or "images"
        self._job = reporter.job(
            f"web UI {kind}", phases=[_PHASE], workflow="a1111", job_id=f"a1111-{one_line(key, 100)}", worker={}
        )
        self._job.__enter__()
        self._began = self._seen = time.monotonic()
        self._fraction = 0.0
        self._interrupted = False

    def take(self, state: Mapping[str, Any], text: str, waiting: int) -> None:
        """Read its state.

        Args:
            state: The web UI's state: the number of images, and the steps of the current one.
            text: Its line for people.
            waiting: The number of generations behind it.
        """
        self._seen = time.monotonic()
        self._interrupted = bool(state.get("interrupted"))
        images, image = _count(state, "job_count"), _count(state, "job_no")
        steps, step = _count(state, "sampling_steps"), _count(state, "sampling_step")
        words = [text] if text else []
        if images > 1:
            words.append(f"image {min(image + 1, images)} of {images}")
        if steps:
            words.append(f"step {min(step, steps)} of {steps}")
        if waiting:
            words.append(f"{waiting} waiting")
        if images:
            within = min(1.0, step / steps) if steps and image < images else 0.0
            self._fraction = max(self._fraction, min(1.0, (image + within) / images))
        self._job.progress(self._fraction * 100 if images else None, ", ".join(words), phase=_PHASE)

    def end(self) -> None:
        """Report the end. It counts as done, unless it was interrupted or came long before the last step."""
        ran = self._seen - self._began
        left = ran * (1 - self._fraction) / self._fraction if self._fraction else 0.0
        if self._interrupted:
            self.cancel("interrupted")
        elif left > max(4 * _PACE_S, ran / 4):
            self.cancel(f"ended at {self._fraction:.0%}: it failed or was stopped")
        else:
            self._reporter.report(JobCompleted(job_id=self._job.job_id))

    def cancel(self, reason: str) -> None:
        """End the job without an outcome."""
        self._reporter.report(JobCancelled(job_id=self._job.job_id, reason=reason))


def _count(state: Mapping[str, Any], name: str) -> int:
    """Return a number of the state; 0 where it is not known, which the web UI writes as -1."""
    value = state.get(name)
    return max(0, value) if isinstance(value, int) and value < 10**9 else 0
