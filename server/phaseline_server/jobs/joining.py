"""Reports that arrived together join the commit groups in parts, so that no other ack waits for all of them."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

import trio

from phaseline.model.events import Event
from phaseline_server.jobs.commit_group import Arrival, Group
from phaseline_server.jobs.intake import Intake
from phaseline_server.jobs.receipts import BatchReceipt, Outcome
from phaseline_server.jobs.turns import Turns

__all__ = ["join_at_once", "join_in_parts"]

_PART_S: Final = 0.01
"""Time after which a part may end; each one costs a new copy of its jobs."""


def join_at_once(intake: Intake, events: Sequence[Event], arrival: Arrival) -> BatchReceipt:
    """Accept a few events, each by itself, to be stored as one group."""
    candidates, outcomes = (intake.committing, intake.gathering), list[Outcome]()
    while len(outcomes) < len(events):
        intake.take_some(events, len(outcomes), arrival, outcomes)
    return BatchReceipt(outcomes, _groups_of(outcomes, candidates))


async def join_in_parts(
    intake: Intake, events: Sequence[Event], arrival: Arrival, commit: Callable[[], None]
) -> BatchReceipt:
    """Accept events, each by itself; other tasks run meanwhile. Cancellation does not interrupt it.

    While other reports wait, a part ends after 10 ms, as its group can only be committed then. Once a part could not be
    stored, all later events are rejected too, so that the stored ones have no gap.

    Args:
        intake: Gathers the reports. The caller has acquired `intake.open`, which is released between two parts.
        events: The events in their order.
        arrival: Where they come from.
        commit: Called after each part, which may be committed from then on.
    """
    groups, outcomes = list[Group](), list[Outcome]()
    while len(outcomes) < len(events):
        if (error := next((group.error for group in groups if group.error is not None), None)) is not None:
            outcomes += [error] * (len(events) - len(outcomes))
            break
        if outcomes:
            intake.open.release()
            with trio.CancelScope(shield=True):
                await intake.open.acquire()
        candidates, start = (intake.committing, intake.gathering), len(outcomes)
        turns, end_s = Turns(), perf_counter() + _PART_S
        while len(outcomes) < len(events) and candidates[1].error is None:
            intake.take_some(events, len(outcomes), arrival, outcomes)
            if await turns.offer() and intake.open.statistics().tasks_waiting and perf_counter() > end_s:
                break  # other reports wait for the end of this part
        groups += [group for group in _groups_of(outcomes[start:], candidates) if group not in groups]
        commit()
    return BatchReceipt(outcomes, groups)


def _groups_of(outcomes: Sequence[Outcome], candidates: Sequence[Group]) -> list[Group]:
    """Return the groups that contain accepted reports."""
    numbers = [outcome for outcome in outcomes if isinstance(outcome, int)]
    if not numbers:
        return []
    first, last = min(numbers), max(numbers)
    return [group for group in candidates if group.spans(first, last)]
