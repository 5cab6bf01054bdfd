"""The filter of jobs.

A filter is a list of words that must all match: `render !done host:box2 name:/IMG_00[45]/`. Matching ignores case. `!`
negates a word, and `field:` limits it to a field. `/…/` is a regular expression (see `patterns`), `"…"` a text with
spaces.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from phaseline.filtering.patterns import PatternError, searcher
from phaseline.model.states import State

__all__ = ["FIELDS", "Filter", "Filterable", "search_text_of", "words_of"]


class Filterable(Protocol):
    """The parts of a job that a filter needs; all texts are cleaned (see `phaseline.text`)."""

    @property
    def job_id(self) -> str:
        """Its id."""
        ...

    @property
    def origin(self) -> str:
        """The label of its server."""
        ...

    @property
    def name(self) -> str:
        """The name that users see."""
        ...

    @property
    def workflow(self) -> str:
        """Its workflow."""
        ...

    @property
    def series(self) -> str:
        """Its series."""
        ...

    @property
    def host(self) -> str:
        """Its machine."""
        ...

    @property
    def state(self) -> State:
        """Its state."""
        ...

    @property
    def phase_name(self) -> str:
        """The current or last phase, or ""."""
        ...

    @property
    def remark(self) -> str:
        """Its message, or its error after its end."""
        ...

    def search_text(self) -> str:
        """Return `search_text_of` this job, which may be cached."""
        ...


FIELDS: Final[dict[str, Callable[[Filterable], str]]] = {
    "state": lambda job: job.state.search_words,
    "phase": lambda job: job.phase_name,
    "host": lambda job: job.host,
    "name": lambda job: job.name,
    "workflow": lambda job: job.workflow,
    "series": lambda job: job.series,
    "message": lambda job: job.remark,
    "id": lambda job: job.job_id,
    "server": lambda job: job.origin,
}
"""The fields of a filter, and the text that each searches."""


def search_text_of(job: Filterable) -> str:
    """Return the case-folded text that a word without a field searches."""
    words = (
        job.job_id, job.name, job.series, job.workflow, job.host, job.origin, job.state.search_words, job.phase_name,
    )  # fmt: skip
    return "\n".join(words).casefold()


_WORD: Final = re.compile(
    r"""(?P<inverse>!?)(?:(?P<field>[A-Za-z]+):)?
        (?:/(?P<regex>(?:[^/\\]|\\.)+)/(?=\s|$)|"(?P<quoted>[^"]*)"?|(?P<plain>\S*))""",
    re.VERBOSE,
)
_MAX: Final = 500
"""Number of characters that a regular expression searches."""


def words_of(text: str) -> Iterator[re.Match[str]]:
    """Yield the words of a filter, each with the groups `inverse`, `field`, and `regex`, `quoted` or `plain`."""
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None or found.end() == at:
            at += 1
            continue
        at = found.end()
        yield found


class _Word(NamedTuple):
    keeps: Callable[[Filterable], bool]
    inverse: bool


class Filter:
    """A parsed filter. Every text is valid, because the filter changes with each key press."""

    def __init__(self, text: str = "") -> None:
        """Parse `text`; incomplete words match everything."""
        self.text = text.strip()
        self.problem = ""
        """Error text for an invalid word, which is ignored."""
        self.hint = ""
        """Hint about a probable mistake, shown when nothing matches."""
        self._words: list[_Word] = []
        for found in words_of(self.text):
            self._add(found)

    def __bool__(self) -> bool:
        """Return whether the filter has any words."""
        return bool(self._words)

    def keeps(self, job: Filterable) -> bool:
        """Return whether `job` matches."""
        return all(word.keeps(job) is not word.inverse for word in self._words)

    def _add(self, found: re.Match[str]) -> None:
        field, regex = found["field"], found["regex"]
        # A single slash is the start of a regular expression that the user is still typing.
        wanted = found["quoted"] if found["quoted"] is not None else (found["plain"] or "").removeprefix("/")
        wanted = wanted.casefold()
        look: Callable[[Filterable], str] = _whole
        if field is not None:
            chosen = FIELDS.get(field.casefold())
            if chosen is None:  # not a field, but a text with a colon, such as frame:7
                self.hint = f"{field}: is not a field, so it was searched as text; fields: {' '.join(FIELDS)}"
                wanted = f"{field}:{regex or wanted}".casefold()
                regex = None
            else:
                look = _folded(chosen)
        if regex is not None:
            self._add_regex(look, regex, inverse=bool(found["inverse"]))
        elif wanted:
            self._words.append(_Word(lambda job: wanted in look(job), bool(found["inverse"])))

    def _add_regex(self, look: Callable[[Filterable], str], regex: str, *, inverse: bool) -> None:
        try:
            found_in = searcher(regex)
        except PatternError as error:
            self.problem = f"/{regex}/ is not a valid regex: {error}"
            return
        self._words.append(_Word(lambda job: found_in(look(job)[:_MAX]), inverse))


def _folded(look: Callable[[Filterable], str]) -> Callable[[Filterable], str]:
    return lambda job: look(job).casefold()


def _whole(job: Filterable) -> str:
    return job.search_text()
