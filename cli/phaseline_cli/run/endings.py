"""How a command ended, in words."""

import signal
from typing import Final

_MEANINGS: Final = {
    126: "a command could not be executed",
    127: "a command was not found",
}
_SIGNALS: Final = {
    "SIGABRT": "aborted",
    "SIGBUS": "bus error",
    "SIGFPE": "arithmetic error",
    "SIGHUP": "hangup",
    "SIGILL": "illegal instruction",
    "SIGINT": "interrupted",
    "SIGKILL": "killed",
    "SIGPIPE": "its output is no longer read",
    "SIGQUIT": "quit",
    "SIGSEGV": "segmentation fault",
    "SIGTERM": "terminated",
    "SIGXCPU": "CPU time limit exceeded",
    "SIGXFSZ": "file size limit exceeded",
}
_SHELL: Final = 128
"""A shell's exit code for a command that signal n ended is 128 + n."""


def signal_name(number: int) -> str:
    """Return a signal's name, `SIGKILL`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def in_words(code: int, *, timed_out: bool = False) -> str:
    """Return how a command ended: `exit code 3`, `killed (SIGKILL)`.

    Args:
        code: its exit code, or the negative number of the signal that ended it.
        timed_out: whether it was ended because it took too long.
    """
    if timed_out:
        return "it took longer than --timeout"
    if code < 0:
        return _by_signal(-code)
    if code in _MEANINGS:
        return f"exit code {code}: {_MEANINGS[code]}"
    if _SHELL < code <= _SHELL + 64 and (name := signal_name(code - _SHELL)) in _SIGNALS:
        return f"exit code {code}: a command was ended by {name} ({_SIGNALS[name]})"
    return f"exit code {code}"


def failure(code: int, error: str | None, *, timed_out: bool = False) -> str:
    """Return the reason: the signal, if any, then the most informative error line, if any."""
    words = in_words(code, timed_out=timed_out)
    if error is None:
        return words
    return f"{words}: {error}" if code < 0 or timed_out else error


def _by_signal(number: int) -> str:
    name = signal_name(number)
    return f"{_SIGNALS[name]} ({name})" if name in _SIGNALS else f"ended by {name}"
