"""The window title, the tab's progress and the notifications of the terminal."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from phaseline_tui.drawing.ascii import to_ascii
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.totals import Totals
from phaseline_tui.model.words import count_of
from phaseline_tui.terminal import title
from phaseline_tui.user.settings import Settings

__all__ = ["TerminalStatus"]

_NAMED: Final = 1
"""Maximum number of jobs that a notification names; for more, it has only their number."""


class TerminalStatus:
    """Writes the title, the progress and notifications to the terminal, each only when it changes."""

    def __init__(
        self, settings: Settings, write: Callable[[str], object], environ: Mapping[str, str] = os.environ
    ) -> None:
        """Prepare; nothing is written yet.

        Args:
            settings: The user's choice of these.
            write: Writes to the terminal directly.
            environ: The environment, which shows the terminal, and whether tmux is running.
        """
        self._settings = settings
        self._write = write
        self._environ = environ
        wanted = settings.progress
        self._shows_progress = wanted == "always" or (wanted and title.shows_progress(environ))
        self._title = ""
        self._progress = ""

    def start(self) -> None:
        """Save the terminal's title."""
        if self._settings.title:
            self._write(title.SAVE_TITLE)

    def update(self, totals: Totals, server: str) -> None:
        """Show the totals of all jobs in the title and the tab."""
        if self._settings.title:
            words = title.title_words(totals, server)
            text = title.title(to_ascii(words) if self._settings.ascii else words)
            if text != self._title:
                self._title = text
                self._write(text)
        if self._shows_progress:
            progress = title.progress(totals)
            if progress != self._progress:
                self._progress = progress
                self._write(title.passed_through(progress, self._environ))

    def notify_ended(self, jobs: Iterable[JobView]) -> None:
        """Notify the user of completed and failed jobs, if the settings say so."""
        ended = [job for job in jobs if job.state in {State.COMPLETED, State.FAILED}]
        if not ended or self._settings.notify == "off":
            return
        failed = [job for job in ended if job.state is State.FAILED]
        if len(ended) <= _NAMED:
            job = ended[0]
            words = f"{job.name} failed: {job.failure}" if failed else f"{job.name} is done"
        else:
            words = f"{count_of(len(ended) - len(failed), 'job')} done" + (f", {len(failed)} failed" if failed else "")
        self._write(title.passed_through(title.notification(self._settings.notify, words), self._environ))

    def stop(self) -> None:
        """Remove the progress and restore the title; the next `update` writes both again."""
        if self._progress:
            self._write(title.passed_through(title.progress(None), self._environ))
        if self._title:
            self._write(title.RESTORE_TITLE)
        self._title = self._progress = ""
