"""Read a program's output as it comes: the one entry for `run`, `try` and `watch log`."""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Final, Literal

from phaseline_cli.run.adapter import Adapter
from phaseline_cli.run.bars import Bars
from phaseline_cli.run.channel import Channel
from phaseline_cli.run.errors import ErrorLines
from phaseline_cli.run.inband import Inband
from phaseline_cli.run.program import Lines
from phaseline_cli.run.progress import Progress, Reading
from phaseline_cli.run.rules import Rules
from phaseline_cli.run.screen import Line, Screen, TerminalProgress
from phaseline_cli.run.side import SideChannel

QUIET: Final = 0.1
"""Seconds without output after which an incomplete row is read."""

RECENT: Final = 50
"""Number of earlier lines replayed to an adapter that is recognized by its output."""

TIMED: Final = 300
"""Number of earlier lines replayed to an adapter when its program appears in the process tree, a second late."""

Outcome = Literal["ok", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended."""

    outcome: Outcome
    error: str | None
    phases: Sequence[str] = field(default_factory=tuple)


class Reader:
    """The progress of one run, from its command and its output."""

    def __init__(self, adapters: Mapping[str, Adapter], argv: Sequence[str] = (), adapter: str | None = None) -> None:
        """Begin to read.

        Args:
            adapters: all that are known, by name.
            argv: the command, as far as it is known.
            adapter: the name of the adapter to use, whatever the command is.
        """
        self.progress = Progress()
        self._adapters = adapters
        self._argv = argv
        self._screens: dict[str, Screen] = {}
        self._errors = ErrorLines(argv)
        self._bars = Bars(self.progress)
        self._inband = Inband(self.progress)
        self.side = SideChannel(self.progress)
        self._program: Lines | None = None
        self._channel = Channel()
        self._cancelled = False
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._timed: deque[tuple[float, str]] = deque(maxlen=TIMED)
        self.last = 0.0
        """When output came last, in seconds since the start."""
        chosen = adapters.get(adapter) if adapter else next((a for a in adapters.values() if a.matches(argv)), None)
        self._fixed = chosen is not None
        if chosen is not None:
            self._use(chosen, argv)

    @cached_property
    def _signs(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """All signs: those at the start of a line, and others; compiled on demand, because many commands need none."""
        signs = [sign for a in self._adapters.values() for sign in a.signs]
        first = [sign for sign in signs if sign.startswith("^")]
        return _any(first), _any(sign for sign in signs if not sign.startswith("^"))

    @property
    def adapter(self) -> Adapter | None:
        """The adapter that reads now."""
        return None if self._program is None else self._program.adapter

    def feed(self, time: float, stream: str, data: bytes) -> Iterable[tuple[float, Reading]]:
        """Take in what the program wrote; yield each change of its progress with its time.

        Args:
            time: seconds since the start, not falling.
            stream: `stdout`, `stderr` or `pty`, or `side` for what it reports beside its output.
            data: the bytes.
        """
        if stream == "side":
            yield from self._feed_side(time, data)
            return
        if time - self.last > QUIET:
            yield from self.quiet(self.last + QUIET)
        self.last = time
        screen = self._screens.get(stream)
        if screen is None:
            screen = self._screens[stream] = Screen()
        before = self.progress.now
        for found in screen.feed(data):
            self._take(found)
            if self.progress.now != before:
                before = self.progress.now
                yield time, before

    def _feed_side(self, time: float, data: bytes) -> Iterable[tuple[float, Reading]]:
        before = self.progress.now
        known = self._program is not None and not self._program.adapter.bars and not self.side.hooked.active
        self.side.hook_counts = not known and not self._inband.used
        self.side.training_counts = not self._fixed and not self._inband.used
        for line in self.side.lines(data):
            if not self.side.take(line, time) and self._program is not None and not self.side.used:
                earlier = self.progress.now
                self._program.line(line)
                self._channel.note(earlier, self.progress.now)
            if self.progress.now != before:
                before = self.progress.now
                yield time, before

    def quiet(self, time: float) -> Iterable[tuple[float, Reading]]:
        """Read rows that are still being written, since the program paused."""
        before = self.progress.now
        if self.side.hooked.active:
            self.side.hooked.settle()
            if self.progress.now != before:
                before = self.progress.now
                yield time, before
        for screen in self._screens.values():
            for line in screen.rest():
                self._take(line)
                if self.progress.now != before:
                    before = self.progress.now
                    yield time, before

    def end(self, code: int | None, *, interrupted: bool = False) -> End:
        """Return how the run ended.

        Args:
            code: the exit code, negative for a signal; None if it is not known.
            interrupted: whether the person who ran it pressed Ctrl+C.
        """
        for _ in self.quiet(self.last):
            pass
        if code in (None, 0):
            outcome: Outcome = "ok"
        elif interrupted or self._cancelled or code in (-2, -15, 130, 143):
            outcome = "cancelled"
        else:
            outcome = "failed"
        error = None
        if outcome != "ok":
            own = self._program.error if self._program is not None else None
            error = self._inband.error or own or self._errors.best()
        return End(outcome, error, tuple(self.progress.phases))

    def switch(self, argv: Sequence[str], since: float) -> None:
        """Read another program's output, which the command has started.

        Args:
            argv: the program's own command.
            since: when it began, in seconds since the start.
        """
        chosen = next((a for a in self._adapters.values() if a.matches(argv)), None)
        self.progress.begin_anew()
        self.side.hooked.switch(since)
        self._bars = Bars(self.progress)
        self._inband.used = False
        self._program = None
        if chosen is not None:
            program = self._use(chosen, argv)
            for time, line in self._timed:
                if time >= since:
                    program.line(line)

    def _use(self, adapter: Adapter, argv: Sequence[str]) -> Lines:
        self._errors.use(adapter)
        program: Lines
        if adapter.python:
            module = import_module(f"phaseline_cli.adapters.{adapter.python}")
            program = module.Program(adapter, self.progress, argv)
        else:
            program = Rules(adapter, self.progress, argv)
        self._program = program
        return program

    def _take(self, found: Line | TerminalProgress) -> None:
        if self.side.used:
            if isinstance(found, Line) and found.ended:
                self._errors.line(found.text)
            return
        # The hook then reports the bars on the screen already.
        hooked = self.side.hooked.active and not self._inband.used
        if isinstance(found, TerminalProgress):
            if not hooked and not self._inband.used:
                self._bars.terminal(found)
        elif not self._inband.line(found.text):
            self._take_line(found, hooked=hooked)

    def _take_line(self, found: Line, *, hooked: bool) -> None:
        text = found.text
        if not self._fixed:
            self._look_for_signs(text)
            self._recent.append(text)
            self._timed.append((self.last, text))
        program = None if hooked else self._program
        if program is not None:
            if any(re.search(pattern, text) for pattern in program.adapter.cancelled):
                self._cancelled = True
            before = self.progress.now
            meant = program.line(text)
            self._channel.restore(before, self.progress)
        else:
            meant = False
        if not meant and not hooked and not self._inband.used and (program is None or program.adapter.bars):
            meant = self._bars.line(found)
        if found.ended or not meant:
            self._errors.line(text)

    def _look_for_signs(self, text: str) -> None:
        first, inner = self._signs
        if first.match(text) is None and inner.search(text) is None:
            return
        for adapter in self._adapters.values():
            if adapter is self.adapter or not adapter.signs:
                continue
            if any(re.search(sign, text) for sign in adapter.signs):
                if self.side.hooked.active:
                    self._errors.use(adapter)
                    return
                program = self._use(adapter, ())
                for recent in self._recent:
                    program.line(recent)
                self._recent.clear()
                return


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches any of `patterns`; if there are none, it never matches."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")
