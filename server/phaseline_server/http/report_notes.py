"""Notes in the answer to a report: fields that were not understood, and a hint if its progress may be a fraction."""

from collections.abc import Sequence
from typing import Final

from phaseline.model.events import Event, JobProgress
from phaseline.wire import ignored_in_arrays, ignored_in_each

__all__ = ["Fractions", "Notes", "notes_of", "notes_of_each"]

Notes = dict[str, object]

_ENOUGH: Final = 10  # reports
_MOST_JOBS: Final = 1000
_HINT: Final = (
    "the last {count} reports of this phase had a progress from 0 to 1; progress is in percent: if yours is a "
    "fraction, multiply it by 100"
)


class Fractions:
    """The jobs whose reported progress has never exceeded 1. Checking a progress above 1 is cheap."""

    def __init__(self) -> None:
        """Start without jobs."""
        self._counts: dict[tuple[str, str], int] = {}

    def hint(self, event: Event) -> str | None:
        """Record a report; return the hint if it is due."""
        return self.hints([event]).get(0)

    def hints(self, events: Sequence[Event]) -> dict[int, str]:
        """Record reports; return the hints that are due, by the index of the report.

        A hint is due if ten reports from 0 to 1 have reached 1.
        """
        counts, due = self._counts, dict[int, str]()
        for index, event in enumerate(events):
            if type(event) is not JobProgress or (progress := event.progress) is None:
                continue
            if progress > 1:
                if counts:
                    counts.pop((event.job_id, event.phase), None)
            elif hint := self._count(event, progress):
                due[index] = hint
        return due

    def _count(self, event: JobProgress, progress: float) -> str | None:
        """Count a progress that may be a fraction; return the hint if it is due."""
        key = event.job_id, event.phase
        count = self._counts.pop(key, 0) + (progress > 0)
        if progress == 1 and count >= _ENOUGH:
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
        documents: One document for each, or the frames with arrays of them.
        fractions: Records the reports.
    """
    arrays = [document for document in documents if isinstance(document, str) and document.startswith("[")]
    ignored = ignored_in_arrays(arrays) if arrays else ignored_in_each(documents)
    hints = fractions.hints(events)
    if not hints and not any(ignored):
        return ()
    return [
        notes_of(names, hints.get(index))
        for index, (names, _) in enumerate(zip(ignored or [()] * len(events), events, strict=False))
    ]
