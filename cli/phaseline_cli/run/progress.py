"""A program's progress at one moment, as read from its output."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a run between two changes."""

    phase: str | None = None
    fraction: float | None = None
    """Of the phase, 0 to 1; None where it is not known."""
    run: float | None = None
    """Of the whole run, 0 to 1; None where it is not known."""
    done: float | None = None
    total: float | None = None
    unit: str = ""
    text: str = ""


class Progress:
    """Collect what rules find. A fraction never falls within a phase, nor that of the run."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        """The phases that have begun, in their order."""
        self.facts: dict[str, float] = {}
        """What the program reveals of its work before it begins; the first value of each counts."""
        self._now = Reading()

    @property
    def now(self) -> Reading:
        """The present state."""
        return self._now

    def reveal(self, name: str, value: float) -> None:
        """Record a fact about the work, unless it is known already."""
        if name not in self.facts:
            self.facts = {**self.facts, name: value}

    def enter(self, phase: str) -> None:
        """Begin a phase, unless it is the current one."""
        now = self._now
        if phase == now.phase:
            return
        if phase not in self.phases:
            self.phases.append(phase)
        self._now = Reading(phase=phase, run=now.run, text="")

    def restart(self) -> None:
        """Forget the fraction of the present phase: it begins again."""
        now = self._now
        self._now = Reading(phase=now.phase, run=now.run, text=now.text)

    def forget_fractions(self) -> None:
        """Forget how much is done, of the present phase and of the run."""
        self._now = Reading(phase=self._now.phase, text=self._now.text)

    def begin_anew(self) -> None:
        """Forget the present state: another program begins."""
        self._now = Reading()

    def of_phase(self, fraction: float | None) -> None:
        """Set the fraction of the present phase."""
        now = self._now
        self._now = Reading(
            now.phase, _higher(now.fraction, fraction), now.run, now.done, now.total, now.unit, now.text
        )

    def of_run(self, fraction: float | None) -> None:
        """Set the fraction of the whole run; None if it turns out not to be known."""
        now = self._now
        run = None if fraction is None else _higher(now.run, fraction)
        self._now = Reading(now.phase, now.fraction, run, now.done, now.total, now.unit, now.text)

    def count(self, done: float | None, total: float | None, unit: str) -> None:
        """Set the done and total counts."""
        now = self._now
        self._now = Reading(now.phase, now.fraction, now.run, done, total, unit, now.text)

    def take_back(self, earlier: Reading) -> None:
        """Set the fractions and counts to those of an earlier state of the same phase."""
        e = earlier
        self._now = Reading(self._now.phase, e.fraction, e.run, e.done, e.total, e.unit, self._now.text)

    def say(self, text: str) -> None:
        """Set the text beside the bar, at most 200 characters."""
        now = self._now
        self._now = Reading(now.phase, now.fraction, now.run, now.done, now.total, now.unit, text[:200])


def _higher(old: float | None, new: float | None) -> float | None:
    if new is None:
        return old
    new = min(1.0, max(0.0, new))
    return new if old is None else max(old, new)
