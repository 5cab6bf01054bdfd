"""doit: a task's group is its phase."""

import re
from typing import Final

from phaseline_cli.run.program import Lines

_TASK: Final = re.compile(r"^(?:\.|--|!!)  ([\w.-]+)(?::(\S+))?$")


class Program(Lines):
    """One build."""

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        task = _TASK.match(text)
        if task is None:
            return False
        self.progress.enter(task.group(1))
        if task.group(2):
            self.progress.say(task.group(2))
        return True
