"""Progress from a command's processes, in addition to its output."""

import time
from typing import Final

from phaseline_cli.run.positions import Position, position_of
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import Reader
from phaseline_cli.run.tree import LONG, Programs, Tree

PACE_S: Final = 0.5
_KNOWN_S: Final = LONG + 2 * PACE_S
"""Seconds after which a script's first program is known, unless all its programs are short."""
_FIRST_S: Final = 0.2
"""Seconds until the first look; a shell may still replace itself with its last program by `exec`."""


class Inside:
    """Looks at a command's processes twice a second."""

    muted = False
    """Whether a `phaseline run` inside the command reports for it now."""

    def __init__(self, pid: int, reader: Reader, begun: float) -> None:
        """Prepare to look.

        Args:
            pid: The command's process; 0 if it is unknown, or must not be inspected.
            reader: The reader of its output, which needs to know the current program of a script.
            begun: The start of the reader's time, in monotonic seconds.
        """
        self._tree = Tree(pid) if pid else None
        self._reader = reader
        self._begun = begun
        self._fixed = reader.adapter is not None
        self._script: bool | None = None
        self._programs = Programs()
        self._position: Position | None = None
        self._next = time.monotonic() + _FIRST_S

    @property
    def is_script(self) -> bool:
        """Whether the command's programs are its phases."""
        return bool(self._script)

    def waits(self) -> bool:
        """Return whether the first program of a script is not known yet, so that its phase has no name."""
        named = self._programs.phase is not None or self._reader.side.used
        if named or self._tree is None or self._fixed or time.monotonic() >= self._begun + _KNOWN_S:
            return False
        return self._tree.is_script() if self._script is None else self._script

    def look(self) -> bool:
        """Look, if it is time; return whether something has changed."""
        now = time.monotonic()
        if self._tree is None or now < self._next:
            return False
        self._next = now + PACE_S
        before = self._programs.phase, self._position
        if self._script is None:
            self._script = not self._fixed and self._tree.is_script()
        self.muted = self._tree.has_own_run()
        if self.muted:
            return False
        process = self._tree.now() if self._script else self._tree.root()
        if process is None:
            return False
        if self._script and self._programs.take(process):
            self._reader.switch(process.argv, now - self._begun - process.age)
        self._position = position_of(process)
        return (self._programs.phase, self._position) != before

    def of_script(self, now: Reading) -> Reading:
        """Return the progress to report: the script's current program is the phase; that program's phases are text.

        Args:
            now: The progress from the output.
        """
        if self._reader.side.used:
            return now
        if self._programs.phase is not None:
            inner = now.phase
            text = f"{inner}: {now.text}" if inner and now.text else now.text or inner or ""
            fraction = now.run if now.run is not None or inner else now.fraction
            now = Reading(self._programs.phase, fraction, None, now.done, now.total, now.unit, text)
            if fraction is None and inner:
                now = Reading(now.phase, text=text)
        if now.fraction is None and now.done is None and self._position is not None and self._position.total:
            done, total = self._position
            now = Reading(now.phase, done / total, None, done, total, "bytes", now.text)
        return now
