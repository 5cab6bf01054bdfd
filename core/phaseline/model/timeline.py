"""A job's phases in time: the current one, the durations of the others, and the skipped ones.

The cost of a report does not depend on the number of phases: their places are looked up, never searched for.
"""

from copy import copy
from typing import Self

from phaseline.model.phase import Phase
from phaseline.model.snapshot import Moment
from phaseline.model.states import PhaseState
from phaseline.model.workflows import Workflow

_PENDING = PhaseState.PENDING

__all__ = ["Timeline"]


class Timeline:
    """The phases of one job in order; at most one of them is current.

    Attributes:
        phases: The workflow's phases and those added by reports.
        current: Index of the current phase, or None.
        boundary: Time of the last phase's end. A phase of which only the end is reported started then.
        interrupted: Whether reports may have been missed since `boundary`.
    """

    def __init__(self, flow: Workflow, now: Moment, phases: list[Phase] | None = None) -> None:
        """Start with `phases`, which the timeline then owns, or with all phases of `flow` pending."""
        self.phases = [Phase(name) for name in flow.phases] if phases is None else phases
        self.current: int | None = None
        self.boundary = now
        self.interrupted = False
        self._ends = flow.ends
        self._places = {phase.name: index for index, phase in enumerate(self.phases)}
        begun = [index for index, phase in enumerate(self.phases) if phase.state is not _PENDING]
        self._reached = begun[-1] if begun else -1  # the last phase that is not pending
        self._settled = 0  # no phase before this one is pending

    def copy(self) -> Self:
        """Return an independent copy.

        Each copy owns its current phase. The others are shared, and copied before they change.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.phases = self.phases.copy()
        if self.current is not None:
            other._own(self.current)
        return other

    def _own(self, index: int) -> Phase:
        """Replace a phase by a copy that only this timeline has; return it."""
        phase = self.phases[index] = copy(self.phases[index])
        self._reached = max(self._reached, index)  # a phase that changes does not stay pending
        return phase

    def interrupt(self) -> None:
        """Record that reports may have been missed; a duration that spans this moment measures no work."""
        self.interrupted = True
        if self.current is not None:
            self.phases[self.current].measured = False

    def index(self, name: str) -> int | None:
        """Return the index of the phase `name`, or None."""
        return self._places.get(name)

    def adds(self, name: str) -> bool:
        """Return whether a report of `name` would add a phase. An existing name or an end marker would not."""
        return name not in self._places and name not in self._ends

    def reached(self) -> int | None:
        """Return the index of the current phase, else of the last one that ended; None before the first."""
        if self.current is not None:
            return self.current
        return self._reached if self._reached >= 0 else None

    def enter(self, name: str, progress: float | None, now: Moment) -> None:
        """Make `name` the current phase: the previous one is done, pending ones before it are skipped."""
        index = self._find_or_add(name)
        if index is None:
            return
        if index != self.current:
            self.close(PhaseState.DONE, now)
            self._skip_pending(index)
            self._own(index).enter(now)
            self.current = index
        if progress is not None:
            self.phases[index].report(progress, now)

    def complete(self, name: str, state: PhaseState, now: Moment) -> None:
        """Record that the phase `name` is done or skipped."""
        index = self._find_or_add(name)
        if index is None:
            return
        if index == self.current:
            self.close(state, now)
        elif self.phases[index].state in {PhaseState.PENDING, PhaseState.SKIPPED}:
            if self.current is None:
                # Only its end was reported, so it began when the previous phase ended.
                self._skip_pending(index)
                phase = self._own(index)
                phase.enter(self.boundary)
                phase.measured &= not self.interrupted
                self.current = index
                self.close(state, now)
            else:
                self._own(index).note(state, now)

    def close(self, state: PhaseState, now: Moment, error: str = "") -> None:
        """End the current phase, if any."""
        if self.current is not None:
            phase = self.phases[self.current]
            phase.close(state, now)
            phase.error = error
        self.current = None
        self.boundary = now
        self.interrupted = False

    def skip_rest(self) -> None:
        """Mark every pending phase as skipped."""
        self._skip_pending(len(self.phases))

    def _find_or_add(self, name: str) -> int | None:
        index = self.index(name)
        if index is None and name not in self._ends:
            index = self._add(name)
        return index

    def _add(self, name: str) -> int:
        """Add an undeclared phase after all phases that have started; return its index."""
        started = (index for index in reversed(range(len(self.phases))) if self.phases[index].started is not None)
        index = next(started, -1) + 1
        self.phases.insert(index, Phase(name))
        # A copy may share the places, so they are replaced.
        self._places = {phase.name: place for place, phase in enumerate(self.phases)}
        self._settled = min(self._settled, index)
        self._reached += index <= self._reached
        return index

    def _skip_pending(self, before: int) -> None:
        for index in range(self._settled, before):
            if self.phases[index].state is _PENDING:
                self._own(index).state = PhaseState.SKIPPED
        self._settled = max(self._settled, before)
