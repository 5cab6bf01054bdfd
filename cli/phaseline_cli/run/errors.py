"""Find the error line in a program's output. It is rarely the last line."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from phaseline_cli.run.adapter import Adapter

_GENERIC: Final = [
    re.compile(pattern)
    for pattern in (
        r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Failure)\b(?::|$)(?!.*\bwarn)",
        # of Java, C++, Rust, Go, PHP, Python's C modules; of Ruby, linkers, Gradle, TeX
        r"^(?:Exception in thread |\s+what\(\): |thread '.*' panicked at |panic: |PHP Fatal error|[a-z]+\.error: )",
        r"\((?:\w+::)*\w*(?:Error|Exception)\)$|: undefined reference to |^\* What went wrong:$|^! [A-Z]",
        r"(?i)^fatal:|(?<!non-)\bfatal error\b|\[fatal\]",
        r"(?<![\w-])(?:error|ERROR|Error)(?:\[\w+\])?: \S",
        r"(?i): (?:no space left on device|permission denied|no such file or directory|out of memory|file exists)",
        r"(?i)\bconnection (?:refused|reset|closed|timed out)\b|: broken pipe$|: (?:input/output error|timed out)\b",
        r"^\S+: (?:line )?\d+: .+: (?:command )?not found$",  # of a shell
        r"(?i)^(?:\S+: +)?(?:cannot|can't|could not|unable to|failed to)\b",
        r"(?i)\b(?:unknown|unrecognized|invalid|illegal) (?:option|argument|command|parameter|flag)\b",
        r"(?i)\b(?:unexpected end of|bad magic|is corrupt)",
        r"^\.?/?[\w./-]+\.\w{1,5}:\d+:\d+: (?!warning|note|info)",  # of a compiler
        r"\bat \S+ line \d+\.$",  # of Perl
        r"^FAIL\b",
        r"(?i)\b(?:failed|failure|aborted|panic|exception)\b",
        r"\b(?:Segmentation fault|Killed)\b",
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
    "what",
    "undefined",
    "connection",
    "pipe",
    "timed out",
    "exists",
    "unknown",
    "unrecognized",
    "invalid",
    "illegal",
    "unexpected",
    "bad magic",
    "corrupt",
    " line ",
    "killed",
    "! ",
)
"""Each line that a generic pattern finds has one of them, or a place in a file; most lines have none, which is quickly
seen."""
_TITLE: Final = re.compile(r"(?i)\W*(?:\w+ ){0,3}(?:errors?|exception|wrong|in user input):")
_PLACE: Final = re.compile(r"[\w./-]+:\d+:\d+: ")
_NAME: Final = re.compile(r"[\w.+-]+")
_LAST_COUNTS: Final = 1
"""The last match of the first pattern counts: a chained traceback ends with the uncaught exception."""


class ErrorLines:
    """Collects candidates for the error line while output is read."""

    def __init__(self, argv: Sequence[str] = ()) -> None:
        """Begin without candidates.

        Args:
            argv: the command. A line that begins with one of its words and a colon may say what went wrong.
        """
        self._names = {Path(name).name for word in argv for name in _NAME.findall(word)}
        self._adapters: list[Adapter] = []
        self._own: dict[str, tuple[int, str]] = {}
        self._generic: dict[int, str] = {}
        self._named: str | None = None
        self._heading = ""
        """A candidate that only introduces the next line, such as `Fatal error:`."""

    def use(self, adapter: Adapter) -> None:
        """Also look for the errors of this adapter's program, with priority."""
        self._adapters.insert(0, adapter)

    def line(self, text: str) -> None:
        """Take in a line that was ended."""
        stripped = text.strip()
        if self._heading and stripped:
            self._replace(self._heading, stripped)
            self._heading = ""
        if self._take(text, stripped) and _TITLE.fullmatch(stripped):
            self._heading = stripped

    def _replace(self, heading: str, text: str) -> None:
        self._own = {name: (rank, text if line == heading else line) for name, (rank, line) in self._own.items()}
        self._generic = {rank: text if line == heading else line for rank, line in self._generic.items()}

    def _take(self, text: str, stripped: str) -> bool:
        """Keep a line if it is a candidate; return whether it is."""
        found = False
        for adapter in self._adapters:
            if adapter.harmless and any(re.search(pattern, text) for pattern in adapter.harmless):
                return False
            old = self._own.get(adapter.name)
            for rank, pattern in enumerate(adapter.errors[: old[0] if old else None]):
                if re.search(pattern, text):
                    self._own[adapter.name] = (rank, stripped)
                    found = True
                    break
        name, colon, _ = text.partition(": ")
        if colon and name in self._names:
            self._named = stripped
        lower = text.lower()
        likely = any(word in lower for word in _WORDS) or _PLACE.match(text) is not None
        if not likely or _HARMLESS.search(text):
            return found
        for rank, generic in enumerate(_GENERIC):
            if generic.search(text):
                if rank < _LAST_COUNTS or rank not in self._generic:
                    self._generic[rank] = stripped
                    found = True
                break
        return found

    def best(self) -> str | None:
        """Return the most telling line; None if no line looks like an error."""
        for adapter in self._adapters:
            if adapter.name in self._own:
                return self._own[adapter.name][1]
        return next(iter(self._ranked()), self._named)

    def _ranked(self) -> Iterable[str]:
        return (self._generic[rank] for rank in sorted(self._generic))
