"""Explicit progress lines, in the formats of render farms and CI services.

Open Job Description (`openjd_progress: 42`), Alfred and Tractor (`ALF_PROGRESS 42%`, `TR_PROGRESS 042%`), Afanasy
(`PROGRESS: 42%`, `ACTIVITY: text`), Azure Pipelines (`##vso[task.setprogress value=42;]text`) and TeamCity
(`##teamcity[progressMessage 'text']`).
"""

import re
from typing import Final

from phaseline_cli.run.numbers import number
from phaseline_cli.run.progress import Progress

_MAYBE: Final = re.compile(r"openjd_|PROGRESS|ACTIVITY:|##(?:vso|teamcity)\[")
_PERCENT: Final = re.compile(
    r"^(?:openjd_progress: *|(?:ALF|TR)_PROGRESS +|PROGRESS: *|##vso\[task\.setprogress [^]]*?\bvalue=)"
    r"(\d{1,3}(?:\.\d+)?)(?:%|;|\]|\s|$)(?:[^]]*\](.*))?"
)
_TEXT: Final = re.compile(r"^(?:openjd_status: *(.+)|ACTIVITY: *(.+)|##teamcity\[progressMessage '((?:[^'|]|\|.)*)'\])")
_FAILED: Final = re.compile(r"^(?:openjd_fail: *(.+)|##vso\[task\.logissue [^]]*\btype=error[^]]*\](.+))")


class Inband:
    """The in-band lines of one run."""

    used = False
    """Whether the program has reported progress explicitly; bars are then ignored."""
    error: str | None = None
    """The error that the program reported."""

    def __init__(self, progress: Progress) -> None:
        """Watch for in-band lines.

        Args:
            progress: where what is found goes.
        """
        self._progress = progress

    def line(self, text: str) -> bool:
        """Take in a line; return whether it is an in-band one."""
        if _MAYBE.search(text) is None:
            return False
        percent = _PERCENT.match(text)
        if percent is not None:
            value = number(percent.group(1))
            if value is not None and value <= 100:  # noqa: PLR2004
                if not self.used:
                    self.used = True
                    self._progress.forget_fractions()  # earlier bars are unreliable
                self._progress.of_phase(value / 100)
                self._progress.of_run(value / 100)
            if percent.group(2):
                self._progress.say(percent.group(2).strip())
            return True
        found = _TEXT.match(text)
        if found is not None:
            self._progress.say(next(filter(None, found.groups())).strip())
            return True
        failed = _FAILED.match(text)
        if failed is not None:
            self.error = next(filter(None, failed.groups())).strip()
        return failed is not None
