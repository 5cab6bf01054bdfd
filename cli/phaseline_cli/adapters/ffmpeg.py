"""ffmpeg: the length to make comes from the log's `Duration`, cut by `-t`, `-to`, `-ss`; passes one after the other."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.numbers import number, seconds
from phaseline_cli.run.program import Lines

_BEGIN: Final = re.compile(r"^ffmpeg version ")
_DURATION: Final = re.compile(r"^  Duration: (?:(\d+:\d\d:\d\d\.\d+)|N/A)")
_PICTURE: Final = re.compile(
    r"^ +Stream #\d+:\d+\S* Video: .*?\b(\d{2,5})x(\d{2,5})\b(?:.*?, (\d+(?:\.\d+)?) (?:fps|tbr))?"
)
_OUTPUT: Final = re.compile(r"^Output #0, (\w+)")
_PASS: Final = re.compile(r"\[libx26[45] @ [^]]*\].*\b(?:2pass|pass)\b", re.IGNORECASE)
_STATUS: Final = re.compile(r"\bL?size=.*\btime=(-?\d+:\d\d:\d\d\.\d+|N/A)")
_FRAME: Final = re.compile(r"^frame= *(\d+)")
_CHANNEL_FRAME: Final = re.compile(r"^frame=(\d+)$")
_OUT_TIME: Final = re.compile(r"^out_time_us=(-?\d+)")
_END: Final = re.compile(r"^progress=end$")
_LIVE: Final = frozenset({"-stream_loop", "-loop", "-re"})

SECOND: Final = 2


class Program(Lines):
    """One or more runs of ffmpeg, one after the other."""

    def begin(self, argv: Sequence[str]) -> None:
        """Read the command line."""
        self._command = _Command(argv)
        self._runs = 0
        self._lengths: list[float | None] = []
        self._null = False
        self._early: float | None = None
        """The time that the channel reported before the output's header was read."""
        self._frame: str | None = None
        """The frame that the channel names before its time."""
        self._picture: re.Match[str] | None = None
        """The size and the rate of the first input with pictures."""

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        if _BEGIN.match(text) is not None:
            self._lengths = []
            return True
        duration = _DURATION.match(text)
        if duration is not None:
            self._lengths.append(seconds(duration.group(1)) if duration.group(1) else None)
            return True
        if self._picture is None and self._runs == 0:
            self._picture = _PICTURE.match(text)
        output = _OUTPUT.match(text)
        if output is not None:
            self._output(null=output.group(1) == "null")
            return True
        status = _STATUS.search(text)
        if status is not None:
            frame = _FRAME.match(text)
            self._at(None if status.group(1) == "N/A" else seconds(status.group(1)), frame and frame.group(1))
            return True
        return self._channel_line(text)

    def _channel_line(self, text: str) -> bool:
        next_frame = _CHANNEL_FRAME.match(text)
        if next_frame is not None:
            self._frame = next_frame.group(1)
            return True
        out_time = _OUT_TIME.match(text)
        if out_time is not None:
            at = number(out_time.group(1))
            if self._runs == 0 and at is not None and self._early in {None, at}:
                self._early = at  # the header may arrive later, on another stream, or not at all with `-loglevel quiet`
            else:
                self._at(None if at is None else at / 1e6, self._frame)
            return True
        return False

    def _output(self, *, null: bool) -> None:
        """Begin a run; one without output files is the first of two passes."""
        self._runs += 1
        self._find_facts()
        if null and self._runs == 1 and self._command.passes != 0:
            self._null = True
            self.progress.enter("pass 1")
        elif self._null:
            self.progress.enter(f"pass {self._runs}")
        elif self._runs > 1:
            self.progress.of_run(None)
            self.progress.enter(f"encode {self._runs}")
        else:
            self.progress.enter("pass 2" if self._command.passes == SECOND else self._name())

    def _find_facts(self) -> None:
        """Find the seconds, frames and pixels to make: the time that a run takes depends on them."""
        length = self._command.length(self._lengths)
        found = {} if length is None else {"duration": length}
        if self._picture is not None:
            width, height, rate = self._picture.groups()
            found["pixels"] = int(width) * int(height)
            if length is not None and rate is not None:
                found["frames"] = round(length * float(rate))
        self.progress.facts = found | self.progress.facts

    def _name(self) -> str:
        return "encode" if any(self._lengths) or not self._lengths else "convert"

    def _at(self, at: float | None, frame: str | None) -> None:
        if self.progress.now.phase is None:
            self.progress.enter(self._name())
        total = self._command.length(self._lengths)
        if at is None or at < 0:
            return
        self.progress.count(at, total, "s")
        if frame:
            self.progress.say(f"frame {frame}")
        if total:
            self.progress.of_phase(at / total)
            if self._runs <= 1 and not self._null and self._command.passes is None:
                self.progress.of_run(at / total)


class _Command:
    """The options that determine the output's length."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.passes: int | None = None
        """The pass (`-pass N`); 0: the command is known and has none; None: the command is unknown."""
        self._skip = 0.0
        self._stop: float | None = None
        self._take: float | None = None
        self._endless = any(word in _LIVE for word in argv)
        seek = 0.0
        inputs = 0
        for word, value in zip(argv, [*argv[1:], ""], strict=False):
            if word == "-i":
                inputs += 1
                self._skip = max(self._skip, seek) if inputs == 1 else self._skip
            elif word == "-ss":
                seek = seconds(value) or 0.0
                if inputs:
                    self._skip += seek
            elif word == "-t":
                self._take = seconds(value)
            elif word == "-to":
                self._stop = seconds(value)
            elif word in ("-pass", "-pass:v"):
                self.passes = int(value) if value.isdigit() else None

    def length(self, lengths: Sequence[float | None]) -> float | None:
        """Return the seconds to make; None if they can't be known.

        Args:
            lengths: the inputs' durations, None where one has none.
        """
        known = [length for length in lengths if length is not None]
        whole = max(known) if known and len(known) == len(lengths) and not self._endless else None
        rest = None if whole is None else max(0.0, whole - self._skip)
        if self._stop is not None:
            until = self._stop - self._skip if self._skip else self._stop
            rest = until if rest is None else min(rest, until)
        if self._take is not None:
            rest = self._take if rest is None else min(rest, self._take)
        return rest if rest and rest > 0 else None
