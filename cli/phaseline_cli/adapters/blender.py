"""Blender: frames from the command line or the scene, samples within a frame; each frame is a phase."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.program import Lines

_FRAME: Final = re.compile(r"(?:^|\| )Fra: ?(\d+)\b")
_SAMPLE: Final = re.compile(r"\| (?:Sample|Rendering|Path Tracing Sample|Rendered) (\d+) ?/ ?(\d+)\b(?! ?Tiles)")
_TILES: Final = re.compile(r"\| Rendered (\d+)/(\d+) Tiles")
_SAVED: Final = re.compile(r"^Saved: '(.*)'")

_NAMES: Final = {
    "--frame-start": "-s",
    "--frame-end": "-e",
    "--frame-jump": "-j",
    "--render-anim": "-a",
    "--render-frame": "-f",
}


class Program(Lines):
    """One background render."""

    def begin(self, argv: Sequence[str]) -> None:
        """Read the command line."""
        self._animation, self._frames = _frames(argv)
        self._seen: list[int] = []
        if self._frames:
            self.progress.reveal("frames", self._frames)
        self.progress.enter("load")

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        saved = _SAVED.match(text)
        if saved is not None:
            self._at(1.0)
            self.progress.say(saved.group(1))
            return True
        frame = _FRAME.search(text)
        if frame is None:
            return False
        number = int(frame.group(1))
        if number not in self._seen:
            self._seen.append(number)
        self.progress.enter(f"frame {number}" if self._animation else "render")
        sample = _TILES.search(text) or _SAMPLE.search(text)
        done, total = (int(sample.group(1)), int(sample.group(2))) if sample else (0, 0)
        if total:
            unit = "tiles" if sample is not None and sample.re is _TILES else "samples"
            self.progress.count(done, total, unit)
            self.progress.reveal(unit, total)
        self._at(done / total if total else 0.0)
        return True

    def _at(self, fraction: float) -> None:
        self.progress.of_phase(fraction)
        if not self._seen:
            return
        if not self._animation:
            self.progress.of_run(fraction)
        elif self._frames:
            self.progress.of_run((len(self._seen) - 1 + fraction) / self._frames)


def _frames(argv: Sequence[str]) -> tuple[bool, int | None]:
    """Return whether several frames are rendered, and how many; None if only the scene knows."""
    words = list(argv[: argv.index("--")]) if "--" in argv else list(argv)
    options = {_NAMES.get(word, word): value for word, value in zip(words, [*words[1:], ""], strict=False)}
    numbers = {
        name: int(value)
        for name, value in options.items()
        if name in ("-s", "-e", "-j") and re.fullmatch(r"-?\d+", value)
    }
    if "-a" in options:
        if "-e" not in numbers:
            return True, None
        step = max(1, numbers.get("-j", 1))
        return True, max(1, (numbers["-e"] - numbers.get("-s", 1)) // step + 1)
    single = options.get("-f", "")
    if re.search(r"[,.]", single):
        return True, _listed(single)
    return not argv, None


def _listed(frames: str) -> int | None:
    count = 0
    for part in frames.split(","):
        ends = re.fullmatch(r"([+-]?\d+)(?:\.\.([+-]?\d+))?", part)
        if ends is None or part.startswith(("+", "-")):
            return None
        count += int(ends.group(2) or ends.group(1)) - int(ends.group(1)) + 1
    return count
