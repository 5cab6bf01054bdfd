"""Ansible: each task is a phase; an error that the playbook ignores is none."""

import re
from typing import Final

from phaseline_cli.run.program import Lines

_TASK: Final = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.+)\] \*+$")


class Program(Lines):
    """One playbook."""

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        if text.startswith("fatal: "):
            self.error = text
            return False
        if text == "...ignoring":
            self.error = None
            return True
        task = _TASK.match(text)
        if task is None:
            return False
        name = task.group(1)
        self.progress.enter("gather facts" if name == "Gathering Facts" else name)
        return True
