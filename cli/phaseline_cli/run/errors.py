"""Find the line that says what went wrong. It is rarely the last one."""

import re
from collections.abc import Iterable
from typing import Final

from phaseline_cli.run.adapter import Adapter

_GENERIC: Final = [
    re.compile(pattern)
    for pattern in (
        r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Failure)\b(?::|$)(?!.*\bwarn)",
        r"(?i)^fatal:|(?<!non-)\bfatal error\b",
        r"(?<![\w-])(?:error|ERROR|Error)(?:\[\w+\])?: \S",
        r"(?i): (?:no space left on device|permission denied|no such file or directory|out of memory)",
        r"^\S+: (?:line )?\d+: .+: (?:command )?not found$",  # of a shell
        r"(?i)^(?:\S+: )?(?:cannot|can't|could not|unable to|failed to)\b",
        r"(?i)\b(?:failed|failure|aborted|panic)\b",
        r"(?i)\berror\b",
    )
]
_HARMLESS: Final = re.compile(r"(?i)\b(?:0 errors?|no errors?|errors?[=:] ?0\b|ignored|warning:)|\(ignored\)")
_WORDS: Final = (
    "error",
    "exception",
    "interrupt",
    "failure",
    "fatal",
    "fail",
    "no space",
    "denied",
    "no such",
    "not found",
    "memory",
    "cannot",
    "can't",
    "could not",
    "unable",
    "abort",
    "panic",
    "exit",
    "warning",
)
"""Each line that a generic pattern finds has one of them; most lines have none, which is quickly seen."""
_LAST_COUNTS: Final = 1
"""Of the first pattern the last match counts: a chained traceback ends with what reached the user."""


class ErrorLines:
    """Keep the candidates for the telling line while output passes by."""

    def __init__(self) -> None:
        self._adapters: list[Adapter] = []
        self._own: dict[str, tuple[int, str]] = {}
        self._generic: dict[int, str] = {}

    def use(self, adapter: Adapter) -> None:
        """Look for the errors of this adapter's program too, above others'."""
        self._adapters.insert(0, adapter)

    def line(self, text: str) -> None:
        """Take in a line that was ended."""
        for adapter in self._adapters:
            if adapter.harmless and any(re.search(pattern, text) for pattern in adapter.harmless):
                return
            old = self._own.get(adapter.name)
            for rank, pattern in enumerate(adapter.errors[: old[0] if old else None]):
                if re.search(pattern, text):
                    self._own[adapter.name] = (rank, text.strip())
                    break
        lower = text.lower()
        if not any(word in lower for word in _WORDS) or _HARMLESS.search(text):
            return
        for rank, generic in enumerate(_GENERIC):
            if generic.search(text):
                if rank < _LAST_COUNTS or rank not in self._generic:
                    self._generic[rank] = text.strip()
                break

    def best(self) -> str | None:
        """Return the most telling line; None if no line looks like an error."""
        for adapter in self._adapters:
            if adapter.name in self._own:
                return self._own[adapter.name][1]
        return next(iter(self._ranked()), None)

    def _ranked(self) -> Iterable[str]:
        return (self._generic[rank] for rank in sorted(self._generic))
