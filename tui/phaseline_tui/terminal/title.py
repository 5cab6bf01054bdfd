"""Terminal sequences besides the screen: window title, progress of the tab, bell, notifications.

Pure functions; the caller decides when to send a sequence. Texts are cleaned of characters that could end a sequence.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from phaseline_tui.model.totals import Totals

__all__ = [
    "BELL",
    "RESTORE_TITLE",
    "SAVE_TITLE",
    "notification",
    "passed_through",
    "progress",
    "shows_progress",
    "title",
    "title_words",
]

BELL: Final = "\a"
SAVE_TITLE: Final = "\x1b[22;2t"
"""Pushes the title on the terminal's stack; terminals without a stack ignore it."""
RESTORE_TITLE: Final = "\x1b[23;2t"
_MAX: Final = 120
_SHOWS_PROGRESS_SINCE: Final = {"ghostty": (1, 2), "iTerm.app": (3, 6, 6), "iTerm2": (3, 6, 6), "WezTerm": (20250209,)}
"""Versions of terminals by TERM_PROGRAM or LC_TERMINAL. Older ones ignore OSC 9;4 or pop up a notification for it."""
_VTE_SINCE: Final = 7900
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f;]")


def title_words(totals: Totals, server: str) -> str:
    """Return the text of the window title: progress, active jobs, failed jobs, server."""
    counts = totals.counts
    if counts["active"]:
        words = f"{totals.percent:.0f}% · {counts['active']} active"
    elif counts["stalled"]:
        words = f"{counts['stalled']} stalled"
    else:
        words = "idle"
    failed = f" · {counts['failed']} failed" if counts["failed"] else ""
    return f"{words}{failed} · {server}"


def title(words: str) -> str:
    """Return the sequence that sets the window title (OSC 2)."""
    return f"\x1b]2;{_safe(words)}\x1b\\"


def progress(totals: Totals | None) -> str:
    """Return the sequence that shows the progress of all active jobs in the terminal's tab; None removes it.

    ConEmu's OSC 9;4: state 1 is normal, 2 an error, 4 a pause; then percent.
    """
    if totals is None or not (totals.counts["active"] or totals.counts["stalled"]):
        return "\x1b]9;4;0;0\x1b\\"
    state = 1 if totals.counts["active"] else 4
    return f"\x1b]9;4;{state};{min(100, max(0, int(totals.percent)))}\x1b\\"


def shows_progress(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to show OSC 9;4; others may take it for a notification."""
    if environ.get("WT_SESSION") or environ.get("ConEmuANSI") == "ON":
        return True
    if _numbers(environ.get("VTE_VERSION", "")) >= (_VTE_SINCE,):
        return True
    for name, version in (("TERM_PROGRAM", "TERM_PROGRAM_VERSION"), ("LC_TERMINAL", "LC_TERMINAL_VERSION")):
        since = _SHOWS_PROGRESS_SINCE.get(environ.get(name, ""))
        if since is not None and _numbers(environ.get(version, "")) >= since:
            return True
    return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number[:9]) for number in re.findall("[0-9]+", version))


def notification(method: Literal["off", "bell", "osc9", "osc777"], words: str) -> str:
    """Return the sequence of a desktop notification or a bell; empty for `off`."""
    if method == "bell":
        return BELL
    if method == "osc9":
        # A text that begins with a digit could be taken for one of ConEmu's commands.
        return f"\x1b]9;phaseline: {_safe(words)}\x1b\\"
    if method == "osc777":
        return f"\x1b]777;notify;phaseline;{_safe(words)}\x1b\\"
    return ""


def passed_through(sequence: str, environ: Mapping[str, str]) -> str:
    """Return `sequence`, wrapped for tmux if it is running; tmux needs `set -g allow-passthrough on`."""
    if not environ.get("TMUX") or not sequence:
        return sequence
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"


def _safe(words: str) -> str:
    return _UNSAFE.sub(" ", words)[:_MAX]
