"""The injected channel of a program beside its output: streams have no order, so the more exact one counts."""

from phaseline_cli.run.progress import Progress, Reading


class Channel:
    """What the channel shows of the present phase."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._amount = False
        self._text = False

    def note(self, before: Reading, after: Reading) -> None:
        """Note what a line of the channel has changed."""
        if after.phase != self._phase:
            self._phase, self._amount, self._text = after.phase, False, False
        if (before.fraction, before.run, before.done) != (after.fraction, after.run, after.done):
            self._amount = True
        if before.text != after.text:
            self._text = True

    def restore(self, before: Reading, progress: Progress) -> None:
        """Take back what a line of the output has changed, if the channel shows it too."""
        if self._phase is None or not before.phase == progress.now.phase == self._phase:
            return
        if self._amount:
            progress.take_back(before)
        if self._text:
            progress.say(before.text)
