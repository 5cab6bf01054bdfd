"""What `phaseline wait` waits for, and how each job stands."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import click

from phaseline_cli.client.failures import Exit

__all__ = ["CONDITION", "Condition", "Standing", "decision"]

_STATES: Final = {
    "done": frozenset({"completed"}),
    "failed": frozenset({"failed"}),
    "cancelled": frozenset({"cancelled"}),
    "stalled": frozenset({"stalled", "lost"}),
}
_WHOLE: Final = 100.0
_ENDS: Final = {"completed": Exit.FAILED, "failed": Exit.FAILED, "cancelled": Exit.CANCELLED, "lost": Exit.STALLED}
"""The exit code of `wait` if a job ends in this state without meeting the condition."""


class Standing:
    """One job, as far as conditions need it.

    Attributes:
        state: Its state.
        percent: Its progress.
        reached: The phases that it is or was in.
        error: Why it failed, or "".
    """

    def __init__(self, status: dict[str, Any]) -> None:
        """Read a job's status."""
        self.state = str(status["state"])
        self.percent = float(status["percent"])
        self.reached = {
            str(stage["name"]) for stage in status["stages"] if stage["state"] in {"current", "done", "failed"}
        }
        self.error = _error(status)

    def apply(self, message: dict[str, Any]) -> None:
        """Apply a message of the stream."""
        if message.get("type") == "job_started":
            self.reached.clear()
        self.state = str(message.get("state", self.state))
        self.percent = float(message.get("percent") or self.percent)
        if message.get("stage") and not message.get("skipped"):
            self.reached.add(str(message["stage"]))
        self.error = _error(message)


def _error(document: dict[str, Any]) -> str:
    result = document.get("result")
    return str(result.get("error", "")) if isinstance(result, dict) else ""


class Condition(NamedTuple):
    """A condition, as the user wrote it."""

    text: str
    is_met: Callable[[Standing], bool]
    is_estimated: bool = False
    """Whether it depends on an estimate. Estimates change between messages, and are up to a second old in them."""


class _Type(click.ParamType):  # type: ignore[type-arg] # generic since click 8.2 only
    name = "condition"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        if isinstance(value, Condition):
            return value
        text = str(value)
        word, is_valued, operand = text.partition("=")
        if not is_valued and (states := _STATES.get(word)) is not None:
            return Condition(text, lambda job: job.state in states)
        if word == "phase" and operand:
            return Condition(text, lambda job: operand in job.reached)
        try:
            least = float(operand) if word == "percent" else -1.0
        except ValueError:
            least = -1.0
        if 0 <= least <= _WHOLE:
            return Condition(text, lambda job: job.percent >= least, is_estimated=True)
        allowed = f"{', '.join(_STATES)}, phase=NAME or percent=N"
        raise click.BadParameter(f"{text!a} is not a condition; allowed: {allowed}", ctx, param)


CONDITION: Final = _Type()


def decision(job: Standing, conditions: Sequence[Condition], *, fail_stalled: bool) -> Exit | None:
    """Return DONE if a condition is met, another code if none can be any more, or None."""
    if any(condition.is_met(job) for condition in conditions):
        return Exit.DONE
    if job.state == "stalled" and fail_stalled:
        return Exit.STALLED
    return _ENDS.get(job.state)
