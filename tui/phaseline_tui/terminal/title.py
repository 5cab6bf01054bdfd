"""What is told to the terminal besides the screen: title, progress of its tab, a bell, a notification.

Pure: these are the sequences; who sends them decides when. Every text in them is made of characters that can end no
sequence.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from phaseline_tui.model.totals import Totals

__all__ = ["BELL", "RESTORE_TITLE", "SAVE_TITLE", "notification", "passed_through", "progress", "title", "title_words"]

BELL: Final = "\a"
SAVE_TITLE: Final = "\x1b[22;2t"
"""Many terminals keep a stack of titles; the others ignore this."""
RESTORE_TITLE: Final = "\x1b[23;2t"
_MOST: Final = 120
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f;]")


def title_words(totals: Totals, server: str) -> str:
    """Return what the window is called: what is at work, how far it is, and what went wrong."""
    counts = totals.counts
    if counts.active:
        words = f"{totals.percent:.0f}% · {counts.active} active"
    elif counts.stalled:
        words = f"{counts.stalled} stalled"
    else:
        words = "idle"
    failed = f" · {counts.failed} failed" if counts.failed else ""
    return f"{words}{failed} · {server}"


def title(words: str) -> str:
    """Return what sets the window's title."""
    return f"\x1b]2;{_safe(words)}\x1b\\"


def progress(totals: Totals | None) -> str:
    """Return what shows the progress of all active jobs in the terminal's tab; None takes it away.

    ConEmu's OSC 9;4: state 1 is normal, 2 an error, 4 a pause; then percent.
    """
    if totals is None or not (totals.counts.active or totals.counts.stalled):
        return "\x1b]9;4;0;0\x1b\\"
    state = 1 if totals.counts.active else 4
    return f"\x1b]9;4;{state};{min(100, max(0, int(totals.percent)))}\x1b\\"


def notification(way: Literal["off", "bell", "osc9", "osc777"], words: str) -> str:
    """Return what tells the user something while another window is in front."""
    if way == "bell":
        return BELL
    if way == "osc9":
        # A text that begins with a digit could be taken for one of ConEmu's commands.
        return f"\x1b]9;phaseline: {_safe(words)}\x1b\\"
    if way == "osc777":
        return f"\x1b]777;notify;phaseline;{_safe(words)}\x1b\\"
    return ""


def passed_through(sequence: str, environ: Mapping[str, str]) -> str:
    """Return `sequence` so that tmux hands it on to its terminal (`set -g allow-passthrough on`), if we run in one."""
    if not environ.get("TMUX") or not sequence:
        return sequence
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"


def _safe(words: str) -> str:
    return _UNSAFE.sub(" ", words)[:_MOST]
