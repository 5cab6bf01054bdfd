"""make: the percent before each step (makefiles by CMake), else phases derived from the printed commands."""

import re
from typing import Final

from phaseline_cli.run.program import Lines

_STEP: Final = re.compile(r"^\[ *(\d+)%\] (Built target|Linking|Building|\S+)")
_CONFIGURE: Final = re.compile(r"^-- (?:The \w+ compiler|Detecting|Check|Looking for|Performing|Found|Configuring)")
_COMPILER: Final = r"\S*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(?:-\d+)? "
_COMMANDS: Final = (
    ("configure", re.compile(r"^checking (?:for|whether|how|if|build system type|host system type)\b.*\.\.\.")),
    ("compile", re.compile(rf"^{_COMPILER}(?:.* )?-c |^libtool: compile:|^ +(?:CC|CXX|AS|AR|HOSTCC)(?: \[M\])? +\S+$")),
    ("compile", re.compile(r"^\S*ar \S*[rq]\S* ")),  # a library in the middle is part of compiling
    ("link", re.compile(rf"^{_COMPILER}(?:.* )?-o |^libtool: link:|^ +(?:LD|CCLD|CXXLD)(?: \[M\])? +\S+$")),
    ("install", re.compile(r"^ *(?:\S*/)?install -|^libtool: install:|^ +INSTALL +\S")),
)
_FOLDER: Final = re.compile(
    r"^(?:Making \w+ in (\S+)|make\[\d+\]: (?:Entering directory '(?:[^']*/)?([^'/]+)'|Leaving directory .*))$"
)


class Program(Lines):
    """One build."""

    _mixed = False
    """Whether something is compiled after something was linked: then linking is part of compiling."""
    _folder = ""

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
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
        return self._command(text)

    def _command(self, text: str) -> bool:
        """Read a printed command, or a line that names the working directory."""
        folder = _FOLDER.match(text)
        if folder is not None:
            self._folder = folder.group(1) or folder.group(2) or ""
            return True
        phase = next((phase for phase, command in _COMMANDS if command.match(text)), None)
        if phase is None or self.progress.now.run is not None:
            return False
        self._mixed = self._mixed or (phase == "compile" and self.progress.now.phase == "link")
        self.progress.enter("compile" if phase == "link" and self._mixed else phase)
        self.progress.say(self._folder)
        return True
