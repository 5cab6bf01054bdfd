"""The filter: which jobs a text keeps.

A filter is words with spaces between them, all of which must be found: `render !done host:box2 name:/IMG_00[45]/`.
Case doesn't matter. `!` before a word turns it round. A field and a colon before it say where to look; `/…/` is a
regular expression, `"…"` a text with spaces in it.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from phaseline_tui.model.jobs import JobView, State

__all__ = ["FIELDS", "Filter"]

FIELDS: Final[dict[str, Callable[[JobView], str]]] = {
    "state": lambda job: "completed done" if job.state is State.COMPLETED else job.state.value,
    "phase": lambda job: job.current.name if job.current else "",
    "host": lambda job: job.host,
    "name": lambda job: job.name,
    "workflow": lambda job: job.workflow,
    "series": lambda job: job.series,
    "message": lambda job: job.message if not job.over else job.failure,
    "id": lambda job: job.job_id,
    "server": lambda job: job.origin,
}
"""What can stand before a colon, and the text in which it looks."""

_WORD: Final = re.compile(
    r"""(?P<inverse>!?)(?:(?P<field>[A-Za-z]+):)?
        (?:/(?P<regex>(?:[^/\\]|\\.)+)/(?=\s|$)|"(?P<quoted>[^"]*)"?|(?P<plain>\S*))""",
    re.VERBOSE,
)
_MOST: Final = 500
"""Characters of a text in which a regular expression looks."""


class _Word(NamedTuple):
    keeps: Callable[[JobView], bool]
    inverse: bool


class Filter:
    """A filter, read from text; anything can be read, as it changes with every key."""

    def __init__(self, text: str = "") -> None:
        """Read `text`; a word with nothing to look for yet asks for nothing."""
        self.text = text.strip()
        self.problem = ""
        """What can't be understood, in words; such a word is not looked for."""
        self.hint = ""
        """What was perhaps meant otherwise, in words; helps when nothing is found."""
        self._words: list[_Word] = []
        at = 0
        while at < len(self.text):
            found = _WORD.match(self.text, at)
            if found is None or found.end() == at:
                at += 1
                continue
            at = found.end()
            self._add(found)

    def __bool__(self) -> bool:
        """Return whether the filter can leave anything out."""
        return bool(self._words)

    def keeps(self, job: JobView) -> bool:
        """Return whether the filter keeps `job`."""
        return all(word.keeps(job) is not word.inverse for word in self._words)

    def _add(self, found: re.Match[str]) -> None:
        field, regex = found["field"], found["regex"]
        # A slash without its second one is the begin of a regular expression that is being typed.
        wanted = found["quoted"] if found["quoted"] is not None else (found["plain"] or "").removeprefix("/")
        wanted = wanted.casefold()
        look: Callable[[JobView], str] = JobView.haystack
        if field is not None:
            chosen = FIELDS.get(field.casefold())
            if chosen is None:  # No field of ours: a text with a colon in it, such as dalle:simple.
                self.hint = f"{field}: is no field, so it was looked for as text; fields are {' '.join(FIELDS)}"
                wanted = f"{field}:{regex or wanted}".casefold()
                regex = None
            else:
                look = _folded(chosen)
        if regex is not None:
            self._add_regex(look, regex, inverse=bool(found["inverse"]))
        elif wanted:
            self._words.append(_Word(lambda job: wanted in look(job), bool(found["inverse"])))

    def _add_regex(self, look: Callable[[JobView], str], regex: str, *, inverse: bool) -> None:
        try:
            pattern = re.compile(regex, re.IGNORECASE)
        except re.error as error:
            self.problem = f"/{regex}/ is no regular expression: {error.msg}"
            return
        self._words.append(_Word(lambda job: pattern.search(look(job)[:_MOST]) is not None, inverse))


def _folded(look: Callable[[JobView], str]) -> Callable[[JobView], str]:
    return lambda job: look(job).casefold()
