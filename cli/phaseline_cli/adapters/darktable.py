"""darktable-cli: prints one line per exported picture; the total is unknown."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.program import Lines

_EXPORTED: Final = re.compile(r"^\[export_job\] exported to [`'\"](.*)['\"]")


class Program(Lines):
    """One or more exports, one after the other."""

    def begin(self, argv: Sequence[str]) -> None:  # noqa: ARG002
        """Read the command line."""
        self._pictures = 0

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        exported = _EXPORTED.match(text)
        if exported is None:
            return False
        self._pictures += 1
        self.progress.enter(f"picture {self._pictures}")
        self.progress.count(self._pictures, None, "pictures")
        self.progress.say(exported.group(1))
        return True
