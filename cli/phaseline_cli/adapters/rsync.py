"""rsync: `--info=progress2` prints the run's percent; `--progress` a file's, beside how many files are left."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.numbers import size
from phaseline_cli.run.program import Lines

_STATUS: Final = re.compile(
    r"(?:^|\s)([\d.,]+[KMGT]?) +(\d+)% +\S+/s +\d+:\d\d:\d\d(?: \(xfr#\d+, (to|ir)-chk=(\d+)/(\d+)\))?"
)


class Program(Lines):
    """One transfer."""

    def begin(self, argv: Sequence[str]) -> None:
        """Read the command line."""
        self._whole: bool | None = None
        """Whether percents are the run's; None: not known yet."""
        if any("progress2" in word for word in argv):
            self._whole = True
        elif any(word == "--progress" or re.fullmatch(r"-\w*P\w*", word) for word in argv):
            self._whole = False
        self._growing = False
        self.progress.enter("copy")

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        status = _STATUS.search(text)
        if status is None:
            return False
        done, percent, check, left, files = status.groups()
        if check is not None:
            self._growing = check == "ir"
            if self._whole is None and int(left) > 0:
                self._whole = percent != "100"
        if check == "to":
            self.progress.reveal("files", int(files))
        if self._whole:
            self.progress.count(size(done), None, "bytes")
            if not self._growing:  # while the file list grows, the percentage is of the known part only
                self._at(int(percent) / 100)
        elif self._whole is False and check == "to":
            total = int(files)
            self.progress.count(total - int(left), total, "files")
            self._at((total - int(left)) / total if total else 0.0)
        return text.endswith(")") or text.rstrip().endswith(status.group().strip())

    def _at(self, fraction: float) -> None:
        self.progress.of_phase(fraction)
        self.progress.of_run(fraction)
