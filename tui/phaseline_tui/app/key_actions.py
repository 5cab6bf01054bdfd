"""Actions of the app's keys: copy, cancel or remove, pause and resume, show a picture."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from phaseline_tui.app.job_actions import Pause, Removal, outcome, pauses, picture_path, removals
from phaseline_tui.drawing.cells import Line
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.words import count_of
from phaseline_tui.screens.question import QuestionScreen
from phaseline_tui.screens.views import ViewScreen

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["cancel", "copy", "pause", "show_picture"]

_MAX_NAMED: Final = 6
_SHOWN: Final = 60


def chosen(app: "ProgressApp") -> list[JobView]:
    """Return the jobs that an action applies to."""
    screen = app.screen
    keys = screen.chosen_jobs() if isinstance(screen, ViewScreen) else []
    return [job for key in keys if (job := app.state.jobs.get(key)) is not None]


def copy(app: "ProgressApp") -> None:
    """Copy the view's selection, or the ids of the selected jobs, to the terminal's clipboard."""
    screen = app.screen
    text = screen.to_copy() if isinstance(screen, ViewScreen) else ""
    text = text or "\n".join(job.job_id for job in chosen(app))
    if text:
        app.copy_to_clipboard(text)
        first, _, more = text.partition("\n")
        app.notify(f"copied: {first[:_SHOWN]}{'…' if more or len(first) > _SHOWN else ''}", markup=False, timeout=2)


def cancel(app: "ProgressApp") -> None:
    """Cancel or remove the selected jobs after a confirmation."""
    found, why = removals(chosen(app))
    if why:
        app.notify(why, severity="warning", markup=False)
    if not found:
        return
    running = sum(each.running for each in found)
    words = []
    if running:
        words.append(f"cancel {count_of(running, 'job')}")
    if len(found) > running:
        words.append(f"remove {count_of(len(found) - running, 'picture')} permanently")
    question = " and ".join(words)
    lines: list[Line] = [((f"{question[0].upper()}{question[1:]}?", "bad-strong"),), ()]
    lines += [((f"  {each.name}", "text"), (f"  {each.key.origin}", "muted")) for each in found[:_MAX_NAMED]]
    if len(found) > _MAX_NAMED:
        lines.append(((f"  and {len(found) - _MAX_NAMED} more", "muted"),))

    def answered(yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it by position)
        if yes:
            app.run_worker(_remove(app, found), group="removals")

    app.push_screen(QuestionScreen(app.palette(), lines, question), answered)


async def _remove(app: "ProgressApp", found: Sequence[Removal]) -> None:
    for each in found:
        try:
            reply = await asyncio.wrap_future(app.request(each.key.origin, each.method, each.path, each.body))
            words, succeeded = outcome(each, reply)
        except LinkError as error:
            words, succeeded = f"{each.name} not {'cancelled' if each.running else 'removed'}: {error.reason}", False
        app.notify(words, severity="information" if succeeded else "error", markup=False)


def pause(app: "ProgressApp") -> None:
    """Pause the selected jobs, or resume those that are paused."""
    found = pauses(chosen(app))
    if found:
        app.run_worker(_order(app, found), group="orders")
    else:
        app.notify("only a job at work can be paused", severity="warning", markup=False, timeout=3)


async def _order(app: "ProgressApp", found: Sequence[Pause]) -> None:
    for each in found:
        try:
            reply = await asyncio.wrap_future(app.request(each.key.origin, "POST", each.path, each.body))
            words, succeeded = each.outcome(reply)
        except LinkError as error:
            words, succeeded = each.failure(error.reason), False
        app.notify(words, severity="information" if succeeded else "error", markup=False)


def show_picture(app: "ProgressApp") -> None:
    """Show the picture of the first selected job that has one."""
    for job in chosen(app):
        path = picture_path(job)
        if path is not None:
            from phaseline_tui.screens.picture import PictureScreen  # noqa: PLC0415 (imports Pillow)

            app.push_screen(PictureScreen(app.palette(), job.key, job.name, path))
            return
    app.notify("this job has no picture yet", markup=False, timeout=3)
