"""make, as CMake writes its files: a percent before each step, which is the run's."""

import re
from typing import Final

from phaseline_cli.run.program import Lines

_STEP: Final = re.compile(r"^\[ *(\d+)%\] (Built target|Linking|Building|\S+)")
_CONFIGURE: Final = re.compile(r"^-- (?:The \w+ compiler|Detecting|Check|Looking for|Performing|Found|Configuring)")


class Program(Lines):
    """One build."""

    def line(self, text: str) -> bool:
        """Take in a line; return whether it meant something."""
        step = _STEP.match(text)
        if step is not None:
            percent, what = int(step.group(1)), step.group(2)
            if what == "Linking" and percent >= 90:  # noqa: PLR2004 # a library in the middle is part of compiling
                self.progress.enter("link")
            elif what != "Built target" and "link" not in self.progress.phases:
                self.progress.enter("compile")
            self.progress.of_run(percent / 100)
            if self.progress.now.phase == "compile":
                self.progress.of_phase(percent / 100)
            return True
        if _CONFIGURE.match(text) is not None and not self.progress.phases:
            self.progress.enter("configure")
            return True
        return False
