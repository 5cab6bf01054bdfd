"""The states of jobs and phases, with the attributes of all jobs in a state.

`transitions` defines which event leads from one state to another.
"""

from enum import StrEnum
from typing import Final, Literal, NamedTuple, Self

__all__ = ["STATES", "PhaseState", "State", "Tone"]

Tone = Literal["muted", "now", "warn", "bad", "good"]


class _Facts(NamedTuple):
    """The attributes of a `State`; see there."""

    sign: str = "·"
    tone: Tone = "muted"
    meaning: str = "not known to the server"
    at_work: bool = False
    waits: bool = False
    ended: bool = False
    bad: bool = False
    stopped: bool = False
    word: str = ""
    counted_as: str = ""


_NO_FACTS: Final = _Facts()


class State(StrEnum):
    """The states of a job.

    Attributes:
        sign: A symbol, so that color is never the only distinction. No terminal draws it as an emoji or two cells wide.
        tone: The kind of color in which it is shown.
        meaning: The meaning for its job, in a few words.
        at_work: Whether its job is active or stalled.
        unfinished: Whether its job is queued or at work, so that it stays in memory.
        ended: Whether its job has ended. A lost job has not; it may resume.
        bad: Whether its job failed or is lost, so that a user should look at it.
        stopped: Whether its job is stalled or lost; its percent then stays the same.
        word: Its name for users, at most nine characters. [its name on the wire]
        counted_as: The word under which totals count its jobs. [`word`]
        search_words: The words by which a filter finds its jobs.
    """

    _value_: str
    sign: str
    tone: Tone
    meaning: str
    at_work: bool
    unfinished: bool
    ended: bool
    bad: bool
    stopped: bool
    word: str
    counted_as: str
    search_words: str

    def __new__(cls, name: str, facts: _Facts = _NO_FACTS) -> Self:
        """Create a state from its name on the wire and its facts."""
        state = str.__new__(cls, name)
        state._value_ = name
        state.sign, state.tone, state.meaning = facts.sign, facts.tone, facts.meaning
        state.at_work, state.unfinished = facts.at_work, facts.at_work or facts.waits
        state.ended, state.bad, state.stopped = facts.ended, facts.bad, facts.stopped
        state.word = facts.word or name
        state.counted_as = facts.counted_as or state.word
        state.search_words = name if state.word == name else f"{name} {state.word}"
        return state

    ABSENT = "absent"
    QUEUED = "queued", _Facts("○", "muted", "waiting for its start", waits=True)
    ACTIVE = "active", _Facts("►", "now", "running", at_work=True)
    STALLED = "stalled", _Facts("!", "warn", "no recent reports", at_work=True, stopped=True)
    COMPLETED = "completed", _Facts("✓", "good", "finished", ended=True, word="done")
    FAILED = "failed", _Facts("✗", "bad", "ended with an error", ended=True, bad=True)
    CANCELLED = "cancelled", _Facts("■", "muted", "stopped on request", ended=True)
    LOST = "lost", _Facts("?", "bad", "no more reports", bad=True, stopped=True, counted_as="failed")


STATES: Final[tuple[State, ...]] = tuple(state for state in State if state is not State.ABSENT)
"""The states of jobs that exist."""


class PhaseState(StrEnum):
    """The states of a phase."""

    PENDING = "pending"
    CURRENT = "current"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
