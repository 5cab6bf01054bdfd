"""badblocks: each pattern is written, then read and compared; the second line doesn't name the pattern."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.program import Lines

_PATTERN: Final = re.compile(r"^Testing with (?:pattern (0x[0-9a-f]+)|(random) pattern)")
_READ: Final = re.compile(r"^Reading and comparing")
_CHECK: Final = re.compile(r"^Checking blocks \d+ to \d+|^Checking for bad blocks \(read-only test\)")
_PERCENT: Final = re.compile(r": +(\d+\.\d+)% done")


class Program(Lines):
    """One check."""

    def begin(self, argv: Sequence[str]) -> None:  # noqa: ARG002
        """Read the command line."""
        self._pattern = ""

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        pattern = _PATTERN.match(text)
        if pattern is not None:
            self._pattern = pattern.group(1) or "random"
            self.progress.enter(f"write {self._pattern}")
        elif _READ.match(text):
            self.progress.enter(f"read {self._pattern}".strip())
        elif _CHECK.match(text):
            self.progress.enter("read")
        percent = _PERCENT.search(text)
        if percent is not None:
            self.progress.of_phase(float(percent.group(1)) / 100)
        elif text.endswith(": done"):
            self.progress.of_phase(1.0)
        else:
            return pattern is not None
        return True
