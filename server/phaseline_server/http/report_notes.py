"""Notes in the answer to a report: fields that were not understood, and a hint if its progress may be a fraction."""

from collections.abc import Sequence
from typing import Final

from phaseline.model.events import Event, JobProgress
from phaseline.wire import ignored_fields, ignored_in_each

__all__ = ["Fractions", "Notes", "notes_of", "notes_of_each"]

Notes = dict[str, object]

_ENOUGH: Final = 10  # reports
_MOST_JOBS: Final = 1000
_HINT: Final = (
    "the last {count} reports of this phase had a progress from 0 to 1; progress is in percent: if yours is a "
    "fraction, multiply it by 100"
)


class Fractions:
    """The jobs whose progress has been a fraction so far. A progress above 1 costs two comparisons."""

    def __init__(self) -> None:
        """Start without jobs."""
        self._counts: dict[tuple[str, str], int] = {}

    def hint(self, event: Event) -> str | None:
        """Record a report that was accepted; return the hint if it is due: ten reports from 0 to 1 have reached 1."""
        if not isinstance(event, JobProgress) or event.progress is None:
            return None
        key = event.job_id, event.phase
        if event.progress > 1:
            if self._counts:
                self._counts.pop(key, None)
            return None
        count = self._counts.pop(key, 0) + (event.progress > 0)
        if event.progress == 1 and count >= _ENOUGH:
            return _HINT.format(count=count)
        if count:
            if len(self._counts) >= _MOST_JOBS:
                self._counts.pop(next(iter(self._counts)))
            self._counts[key] = count
        return None


def notes_of(ignored: tuple[str, ...], hint: str | None) -> Notes:
    """Return the fields that an answer has in addition, if any."""
    notes: Notes = {"ignored": ignored} if ignored else {}
    return notes if hint is None else {**notes, "hint": hint}


def notes_of_each(events: Sequence[Event], documents: Sequence[str | bytes], fractions: Fractions) -> Sequence[Notes]:
    """Return the notes for each of a client's reports; empty if there are none.

    Args:
        events: The reports.
        documents: One document for each, or an array of all.
        fractions: Records the reports.
    """
    if len(documents) == 1 and documents[0][:1] in {"[", b"["}:
        ignored = ignored_in_each(documents[0]) or [()] * len(events)
    else:
        ignored = [ignored_fields(document) for document in documents]
    hints = [fractions.hint(event) for event in events]
    if not any(ignored) and not any(hints):
        return ()
    return [notes_of(names, hint) for names, hint in zip(ignored, hints, strict=False)]
