"""A program's injected channel. It and the output are not ordered, so the channel's values replace the output's."""

from phaseline_cli.run.progress import Progress, Reading


class Channel:
    """The values that the channel reports in the present phase."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._amount = False
        self._text = False

    def note(self, before: Reading, after: Reading) -> None:
        """Record the changes by a line of the channel."""
        if after.phase != self._phase:
            self._phase, self._amount, self._text = after.phase, False, False
        if (before.fraction, before.run, before.done) != (after.fraction, after.run, after.done):
            self._amount = True
        if before.text != after.text:
            self._text = True

    def restore(self, before: Reading, progress: Progress) -> None:
        """Undo a change by an output line if the channel reports that value."""
        if self._phase is None or not before.phase == progress.now.phase == self._phase:
            return
        if self._amount:
            progress.take_back(before)
        if self._text:
            progress.say(before.text)
