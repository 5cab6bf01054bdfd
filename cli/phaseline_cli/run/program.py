"""The base class of the adapters written in Python; it reads one program's lines."""

from collections.abc import Sequence

from phaseline_cli.run.adapter import Adapter
from phaseline_cli.run.progress import Progress


class Lines:
    """One run of a program, read line by line."""

    error: str | None = None
    """The line that says what went wrong, where patterns can't tell."""

    def __init__(self, adapter: Adapter, progress: Progress, argv: Sequence[str]) -> None:
        """Begin to read.

        Args:
            adapter: the adapter's data.
            progress: where what is found goes.
            argv: the command; empty if a script runs it.
        """
        self.adapter = adapter
        self.progress = progress
        if adapter.begin:
            progress.enter(adapter.begin)
        self.begin(argv)

    def begin(self, argv: Sequence[str]) -> None:
        """Read facts from the command that its output does not contain."""

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        raise NotImplementedError
