"""Dismissal of jobs that failed, stalled or are lost: the confirmation, and the requests."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from phaseline_tui.drawing.cells import Line
from phaseline_tui.model.dismissal import Outcome, dismissable, outcome, summary
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.words import count_of
from phaseline_tui.screens.question import QuestionScreen

if TYPE_CHECKING:
    from phaseline_tui.screens.views import ViewScreen

__all__ = ["ask"]

_MAX_NAMED: Final = 6
_AT_ONCE: Final = 8
"""Number of requests that are sent together."""


def ask(view: "ViewScreen", jobs: Sequence[JobView]) -> None:
    """Ask whether to dismiss jobs, and do so."""
    app = view.owner
    found, why = dismissable(jobs)
    if why:
        app.notify(why, severity="warning", markup=False)
    if not found:
        return
    title = f"Dismiss {count_of(len(found), 'job')}?"
    lines: list[Line] = [((title, "bad-strong"),), ()]
    lines += [((f"  {job.state.sign} ", job.state.tone), (job.name, "text")) for job in found[:_MAX_NAMED]]
    if len(found) > _MAX_NAMED:
        lines.append(((f"  and {len(found) - _MAX_NAMED} more", "muted"),))
    lines += [(), (("They leave lists and counts; the history keeps them.", "muted"),)]

    def answered(yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it by position)
        if yes:
            app.run_worker(_dismiss_all(view, found), group="dismissals")

    app.push_screen(QuestionScreen(app.palette(), lines, "dismiss"), answered)


async def _dismiss_all(view: "ViewScreen", jobs: Sequence[JobView]) -> None:
    outcomes: list[Outcome] = []
    for start in range(0, len(jobs), _AT_ONCE):
        outcomes += await asyncio.gather(*(_dismiss(view, job) for job in jobs[start : start + _AT_ONCE]))
    words, succeeded = summary(outcomes)
    view.owner.notify(words, severity="information" if succeeded else "error", markup=False)


async def _dismiss(view: "ViewScreen", job: JobView) -> Outcome:
    body = msgspec.json.encode({"job_id": job.wire_id})
    try:
        reply = await asyncio.wrap_future(view.owner.request(job.origin, "POST", "/progress/dismiss", body))
    except LinkError as error:
        return f"{job.name} not dismissed: {error.reason}", False
    return outcome(job, reply)
