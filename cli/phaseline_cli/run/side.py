"""Progress that a program reports over a separate descriptor, `PROGRESS_FD`, as JSON objects, one per line.

{"phase": "render", "progress": 42.5, "message": "frame 7", "done": 17, "total": 40, "unit": "frames"}

Each key may be left out. Objects with the key `hook` come from the hook in Python programs. Lines that are no JSON are
those of an injected channel, which the adapter reads.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from phaseline.text import one_line
from phaseline_cli.run.hooked import TRAININGS, HookedBars
from phaseline_cli.run.numbers import plain_number
from phaseline_cli.run.progress import Progress

_LONGEST: Final = 65_536
_MOST: Final = 100.0


class SideChannel:
    """The lines that a program sends beside its output."""

    def __init__(self, progress: Progress) -> None:
        """Watch for lines.

        Args:
            progress: where what is found goes.
        """
        self._progress = progress
        self._rest = b""
        self.hooked = HookedBars(progress)
        """The bars that the hook reports."""
        self.hook_counts = True
        """Whether to use these bars; false if an adapter reads the program's bars."""
        self.training_counts = True
        """Whether to use trainings; false only if an adapter matches the command itself."""
        self.used = False
        """Whether the program itself has sent a JSON object; all other sources are then ignored."""

    def lines(self, data: bytes) -> Iterator[str]:
        """Yield the lines that have ended."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LONGEST:]
        for line in lines:
            yield line.decode("utf-8", "replace").strip()

    def take(self, text: str, time: float = 0.0) -> bool:
        """Take in a line that came `time` seconds after the start; return False if it is no JSON object."""
        if not text.startswith("{"):
            return False
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return True
        if "hook" not in values:
            self.used = True
            self._take(values)
        elif not self.used and (self.hook_counts or (self.training_counts and str(values["hook"]) in TRAININGS)):
            self.hooked.take(values, time)
        return True

    def _take(self, values: dict[str, Any]) -> None:
        progress = self._progress
        phase, message = values.get("phase"), values.get("message")
        if isinstance(phase, str) and one_line(phase, 100):
            progress.enter(one_line(phase, 100))
        done, total = plain_number(values.get("done")), plain_number(values.get("total"))
        unit = values.get("unit")
        if done is not None:
            progress.count(done, total, one_line(unit, 20) if isinstance(unit, str) else "")
        percent = plain_number(values.get("progress"))
        if percent is not None and percent <= _MOST:
            progress.of_phase(percent / _MOST)
        elif done is not None and total:
            progress.of_phase(min(1.0, done / total))
        if isinstance(message, str):
            progress.say(one_line(message))
