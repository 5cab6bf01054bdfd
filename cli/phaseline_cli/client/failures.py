"""How a command fails: an exit code, and a line on standard error."""

from enum import IntEnum
from typing import IO, Any

import click

from phaseline.text import one_line

__all__ = ["Exit", "Failure", "note"]

_LONGEST = 1000


class Exit(IntEnum):
    """The exit codes of the commands, except `run`, which has those of the command that it runs."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    NOT_ALLOWED = 4
    NO_JOB = 5
    STALLED = 6
    NO_SERVER = 7
    TIMED_OUT = 124


class Failure(click.ClickException):
    """A command failed. The line on standard error describes the failure; the exit code gives its kind."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(one_line(text, _LONGEST))
        self.exit_code = int(code)  # type: ignore[misc] # click declares a class attribute, but reads the instance's

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(f"phaseline: {self.message}", file=file, err=True)


def note(text: str) -> None:
    """Print a line for people, on standard error."""
    click.echo(f"phaseline: {one_line(text, _LONGEST)}", err=True)
