"""dd: the bytes come from its status, the total from `count=` and `bs=` only."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.program import Lines

_STATUS: Final = re.compile(r"^(\d+) bytes? .*copied, ")
_SIZE: Final = re.compile(r"(\d+)(c|w|b|[kKMGTP](?:B|iB)?)?(?:x(\d+))?")
_FACTOR: Final = {"": 1, "c": 1, "w": 2, "b": 512}


class Program(Lines):
    """One copy."""

    def begin(self, argv: Sequence[str]) -> None:
        """Read the command line."""
        self._total = _total(argv)
        self.progress.enter("copy")

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        status = _STATUS.match(text)
        if status is None:
            return False
        done = int(status.group(1))
        self.progress.count(done, self._total, "bytes")
        if self._total:
            self.progress.of_phase(done / self._total)
            self.progress.of_run(done / self._total)
        return True


def _total(argv: Sequence[str]) -> int | None:
    operands = dict(word.split("=", 1) for word in argv[1:] if "=" in word)
    count = _size(operands.get("count", ""))
    if count is None:
        return None
    if "count_bytes" in operands.get("iflag", "") or operands.get("count", "").endswith("B"):
        return count
    block = _size(operands.get("ibs", operands.get("bs", "512")))
    return None if block is None else count * block


def _size(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    suffix = match.group(2) or ""
    factor = _FACTOR.get(suffix)
    if factor is None:
        power = "KMGTP".index(suffix[0].upper()) + 1
        factor = int((1000 if suffix.endswith("B") and "i" not in suffix else 1024) ** power)
    return int(match.group(1)) * factor * int(match.group(3) or 1)
