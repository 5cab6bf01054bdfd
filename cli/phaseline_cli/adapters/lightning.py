"""PyTorch Lightning: `Epoch 0/3` counts from 0 to 3, so there are four; validation has bars of its own."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.program import Lines

_EPOCH: Final = re.compile(r"^Epoch (\d+)(?:/(-?\d+))?:? .*?(\d+)/(\d+)(?: |$)")
_OTHER: Final = re.compile(
    r"^(Sanity Checking|Validation|Testing|Predicting)(?: DataLoader \d+)?:? .*?(\d+)/(\d+)(?: |$)"
)
_NAMES: Final = {
    "Sanity Checking": "sanity check",
    "Validation": "validation",
    "Testing": "test",
    "Predicting": "predict",
}


class Program(Lines):
    """One training."""

    def begin(self, argv: Sequence[str]) -> None:  # noqa: ARG002
        """Read the command line."""
        self.progress.enter("start")

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        epoch = _EPOCH.match(text)
        if epoch is not None:
            number, last, done, total = epoch.groups()
            self.progress.enter(f"epoch {number}")
            self._at(int(done), int(total))
            if last is not None and int(last) >= 0:
                self.progress.of_run((int(number) + int(done) / int(total)) / (int(last) + 1) if int(total) else None)
            return True
        other = _OTHER.match(text)
        if other is not None:
            self.progress.enter(_NAMES[other.group(1)])
            self._at(int(other.group(2)), int(other.group(3)))
            return True
        return False

    def _at(self, done: int, total: int) -> None:
        self.progress.count(done, total, "batches")
        if total:
            self.progress.of_phase(done / total)
