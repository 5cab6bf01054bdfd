"""A job's phases in time: which one is current, what the others took, and which were passed by."""

from copy import copy
from typing import Self

from phaseline.model.phase import Phase
from phaseline.model.snapshot import Moment, PhaseState
from phaseline.model.workflows import Workflow

__all__ = ["Timeline"]


class Timeline:
    """The phases of one job, in order; at most one of them is current.

    Attributes:
        phases: Those that its workflow has, and those that appeared.
        current: Index of the current one, or None.
        boundary: Since when no phase has been current: what a phase took that is only reported once it is over.
        interrupted: Whether nobody was there to take reports for a while since `boundary`.
    """

    def __init__(self, flow: Workflow, now: Moment) -> None:
        """Begin with all phases of `flow` pending."""
        self.phases = [Phase(name) for name in flow.phases]
        self.current: int | None = None
        self.boundary = now
        self.interrupted = False
        self._ends = flow.ends

    def copy(self) -> Self:
        """Return one that changes apart from this one: each has its own current phase, and copies others to change."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.phases = self.phases.copy()
        if self.current is not None:
            other._own(self.current)
        return other

    def _own(self, index: int) -> Phase:
        """Return a phase that is no other timeline's."""
        phase = self.phases[index] = copy(self.phases[index])
        return phase

    def interrupt(self) -> None:
        """Take in that reports may have been missed: what is measured across this moment is no measure."""
        self.interrupted = True
        if self.current is not None:
            self.phases[self.current].measured = False

    def index(self, name: str) -> int | None:
        """Return the index of the phase `name`, or None."""
        if self.current is not None and self.phases[self.current].name == name:
            return self.current
        for i, phase in enumerate(self.phases):
            if phase.name == name:
                return i
        return None

    def adds(self, name: str) -> bool:
        """Say whether reporting `name` would add a phase: not when there is one, nor when it only marks the end."""
        return self.index(name) is None and name not in self._ends

    def reached(self) -> int | None:
        """Return the index of the current phase, or of the last one that is over, or None before the first."""
        if self.current is not None:
            return self.current
        return max((i for i, phase in enumerate(self.phases) if phase.state is not PhaseState.PENDING), default=None)

    def enter(self, name: str, progress: float | None, now: Moment) -> None:
        """Take in that the job is in the phase `name`: the one before it is done, those between were passed by."""
        index = self._find_or_add(name)
        if index is None:
            return
        if index != self.current:
            self.close(PhaseState.DONE, now)
            self._skip_pending(index)
            self._own(index).enter(now)
            self.current = index
        if progress is not None:
            self.phases[index].say(progress, now)

    def complete(self, name: str, state: PhaseState, now: Moment) -> None:
        """Take in that the phase `name` is over, done or skipped."""
        index = self._find_or_add(name)
        if index is None:
            return
        if index == self.current:
            self.close(state, now)
        elif self.phases[index].state in {PhaseState.PENDING, PhaseState.SKIPPED}:
            if self.current is None:
                # Reported only once it was over: it took what has gone by since the phase before it.
                self._skip_pending(index)
                phase = self._own(index)
                phase.enter(self.boundary)
                phase.measured &= not self.interrupted
                self.current = index
                self.close(state, now)
            else:
                self._own(index).note(state, now)

    def close(self, state: PhaseState, now: Moment, error: str = "") -> None:
        """End the current phase, if there is one."""
        if self.current is not None:
            phase = self.phases[self.current]
            phase.close(state, now)
            phase.error = error
        self.current = None
        self.boundary = now
        self.interrupted = False

    def skip_rest(self) -> None:
        """Take every phase that is still pending for skipped."""
        self._skip_pending(len(self.phases))

    def _find_or_add(self, name: str) -> int | None:
        index = self.index(name)
        if index is None and name not in self._ends:
            # A phase that nobody declared comes after all those that the job was in.
            begun = [i for i, phase in enumerate(self.phases) if phase.started is not None]
            index = begun[-1] + 1 if begun else 0
            self.phases.insert(index, Phase(name))
        return index

    def _skip_pending(self, before: int) -> None:
        for index, phase in enumerate(self.phases[:before]):
            if phase.state is PhaseState.PENDING:
                self._own(index).state = PhaseState.SKIPPED
