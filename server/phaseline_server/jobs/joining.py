"""Reports that arrived together join the commit groups in parts, so that no other ack waits for all of them."""

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Final

import trio

from phaseline.errors import PhaselineError
from phaseline.model.events import Event
from phaseline_server.jobs.commit_group import Arrival, Group
from phaseline_server.jobs.intake import Intake
from phaseline_server.jobs.published import Clock
from phaseline_server.jobs.receipts import BatchReceipt, Outcome
from phaseline_server.jobs.turns import Turns

__all__ = ["Failed", "join_at_once", "join_in_parts"]

Failed = Callable[[], PhaselineError | None]

_PART_S: Final = 0.01
"""Time after which a part may end; each one costs a new copy of its jobs."""
_PAUSE_S: Final = 0.001
_MOST_REPORTS, _MOST_JOBS = 4000, 1000
"""Reports in a group, and their jobs, from which a part ends; a group is published in one turn of the loop."""


def join_at_once(intake: Intake, events: Sequence[Event], arrival: Arrival, failed: Failed) -> BatchReceipt:
    """Accept a few events, each by itself, to be stored as one group; `failed` is that of `Tracker.take_all`."""
    if (error := failed()) is not None:
        return BatchReceipt([error] * len(events))
    candidates, outcomes = (intake.committing, intake.gathering), list[Outcome]()
    while len(outcomes) < len(events):
        intake.take_some(events, len(outcomes), arrival, outcomes)
    return BatchReceipt(outcomes, _groups_of(outcomes, candidates))


async def join_in_parts(
    intake: Intake,
    events: Sequence[Event],
    arrival: Arrival,
    clock: Clock,
    commit: Callable[[], None],
    wait_room: Callable[[], Awaitable[None]],
    failed: Failed,
) -> BatchReceipt:
    """Accept events, each by itself; other tasks run meanwhile. Cancellation does not interrupt it.

    A part ends when its group is large, or after 10 ms if other reports wait, because its group can only be committed
    then. Once a part could not be stored, all later events are rejected too, so that the stored ones have no gap.

    Args:
        intake: Gathers the reports. The caller has acquired `intake.open`, which is released between two parts.
        events: The events in their order.
        arrival: Where they come from.
        clock: Returns the present moment. Each part joins at its own: reports of the same jobs may have come between
            two parts, and the time of a job never goes back.
        commit: Called after each part, which may be committed from then on.
        wait_room: Waits between two parts while the fan-out is behind.
        failed: See `Tracker.take_all`.
    """
    groups, outcomes = list[Group](), list[Outcome]()
    while len(outcomes) < len(events):
        with trio.CancelScope(shield=True):
            if outcomes:
                intake.open.release()
                await wait_room()
                await intake.open.acquire()
            await _wait_closed(intake)
        # There is no await between this check and the first report, so no report joins a group after a failed one.
        error = failed() or next((group.error for group in groups if group.error is not None), None)
        if error is not None:
            outcomes += [error] * (len(events) - len(outcomes))
            break
        candidates, start, part = (intake.committing, intake.gathering), len(outcomes), arrival.later(clock())
        turns, end_s = Turns(), perf_counter() + _PART_S
        while len(outcomes) < len(events) and candidates[1].error is None:
            intake.take_some(events, len(outcomes), part, outcomes)
            if _is_large(candidates[1]):
                break
            if not await turns.offer():
                continue
            if not intake.committing.empty:
                # The committing thread gets the interpreter at once, and others wait for the commit.
                with trio.CancelScope(shield=True):
                    await trio.sleep(_PAUSE_S)
            if intake.open.statistics().tasks_waiting and perf_counter() > end_s:
                break  # other reports wait for the end of this part
        groups += [group for group in _groups_of(outcomes[start:], candidates) if group not in groups]
        commit()
    return BatchReceipt(outcomes, groups)


async def _wait_closed(intake: Intake) -> None:
    """Wait while the gathering group is large, and the one before it is being stored; `intake.open` is acquired."""
    while _is_large(intake.gathering) and not intake.committing.empty:
        intake.open.release()
        await intake.committing.over.wait()
        await intake.open.acquire()


def _is_large(group: Group) -> bool:
    return len(group.messages) >= _MOST_REPORTS or len(group.heads) >= _MOST_JOBS


def _groups_of(outcomes: Sequence[Outcome], candidates: Sequence[Group]) -> list[Group]:
    """Return the groups that contain accepted reports."""
    numbers = [outcome for outcome in outcomes if isinstance(outcome, int)]
    if not numbers:
        return []
    first, last = min(numbers), max(numbers)
    return [group for group in candidates if group.spans(first, last)]
