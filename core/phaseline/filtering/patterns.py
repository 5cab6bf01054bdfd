"""Regular expressions that a user types, in RE2's syntax.

RE2 searches in time proportional to the text, whatever the expression: Python's `re` needs minutes for `(a+)+$` on
thirty characters, and no other thread runs meanwhile. Backreferences and lookarounds, which RE2 lacks, are errors.

The base install lacks RE2, which the `tui` extra installs. Commands that a user runs then use Python's `re`.
"""

import re
from collections.abc import Callable
from typing import Final

__all__ = ["PatternError", "searcher"]

_MAX_COMPILED: Final = 1 << 20
"""Bytes of a compiled expression. Compiling `\\w{1000}` for all of Unicode takes more, and tenths of a second."""


class PatternError(ValueError):
    """An expression is invalid. The text gives the reason."""


def searcher(expression: str) -> Callable[[str], bool]:
    """Return a function that searches a text for `expression`, ignoring case.

    Raises:
        PatternError: The expression is not valid in RE2's syntax, or too large.
    """
    try:
        # Not needed without a regular expression, and importing it takes 20 ms.
        import re2  # noqa: PLC0415
    except ModuleNotFoundError:
        return _searcher_without_re2(expression)
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = _MAX_COMPILED
    options.log_errors = False  # it would log to the terminal
    try:
        pattern = re2.compile(expression, options)
    except (re2.error, UnicodeEncodeError) as error:  # the latter for a lone surrogate
        reason = error.args[0]
        raise PatternError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)) from None
    return lambda text: pattern.search(text) is not None


def _searcher_without_re2(expression: str) -> Callable[[str], bool]:
    try:
        pattern = re.compile(expression, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(str(error)) from None
    return lambda text: pattern.search(text) is not None
