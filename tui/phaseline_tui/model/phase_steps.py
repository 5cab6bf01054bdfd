"""The phases of a `JobView`: how they begin and end. Every text is cleaned."""

from typing import Final

from phaseline.text import one_line, one_line_value
from phaseline_tui.model.counting import count_work
from phaseline_tui.model.frames import StageCompleted
from phaseline_tui.model.jobs import JobView, PhaseState, PhaseView
from phaseline_tui.model.status_items import StageItem
from phaseline_tui.model.times import wall_time
from phaseline_tui.model.wire_values import percent_of, seconds_of, shared_seconds

__all__ = ["MAX_PHASES", "MAX_TEXT", "begin_phase", "complete_phase", "end_phase", "phase_of"]

MAX_TEXT: Final = 2000
"""Characters of a message or an error that are kept."""
MAX_PHASES: Final = 500
_PHASE_STATES: Final = {state.value: state for state in PhaseState}


def phase_of(item: StageItem, job_start: float | None) -> PhaseView:
    """Return a phase of a snapshot; `job_start` is the job's start as a Unix time in seconds."""
    started = wall_time(item.started_at)
    return PhaseView(
        name=one_line(item.name),
        state=_PHASE_STATES.get(item.state, PhaseState.PENDING),
        offset=None if started is None or job_start is None else max(0.0, started - job_start),
        elapsed=seconds_of(item.elapsed_seconds) if item.state != "pending" else None,
        average=shared_seconds(item.average_seconds),
        p90=shared_seconds(item.p90_seconds),
        progress=None if item.progress is None or item.state != "current" else percent_of(item.progress),
        error=one_line(item.error or "", MAX_TEXT),
    )


def begin_phase(job: JobView, name: str, spent: float = 0.0) -> PhaseView:
    """Return the phase `name`, which became the current one `spent` seconds ago. Add it if the job lacks it."""
    at = next((index for index, phase in enumerate(job.phases) if phase.name == name), None)
    if at is None:
        job.phases.append(PhaseView(name))
        at = len(job.phases) - 1
        job.phase_count = max(job.phase_count, len(job.phases))
    phase = job.phases[at]
    job.phase_index = at + 1
    count_work(job, None, None, None)
    if phase.state is not PhaseState.CURRENT:
        for other in job.phases:
            if other.state is PhaseState.CURRENT:  # its end was not reported
                end_phase(job, other, PhaseState.DONE, spent)
        phase.state = PhaseState.CURRENT
        phase.offset = max(0.0, job.elapsed - spent)
        phase.elapsed = spent
    return phase


def end_phase(job: JobView, phase: PhaseView, state: PhaseState, ago: float = 0.0) -> None:
    """Set a phase's final state; it ended `ago` seconds ago."""
    if phase.offset is not None:
        phase.elapsed = max(0.0, job.elapsed - ago - phase.offset)
    phase.state = state
    phase.progress = None


def complete_phase(job: JobView, message: StageCompleted) -> None:
    """Apply the end of a phase."""
    if not message.stage:
        return
    phase = next((each for each in job.phases if each.name == one_line(message.stage)), None)
    if phase is None:
        phase = begin_phase(job, one_line(message.stage))
    seconds = seconds_of(message.stage_seconds)
    if phase.offset is None and seconds is not None and not message.skipped:
        phase.offset = max(0.0, job.elapsed - seconds)
    end_phase(job, phase, PhaseState.SKIPPED if message.skipped else PhaseState.DONE)
    phase.elapsed = seconds if seconds is not None else phase.elapsed
    average = seconds_of(message.average_seconds)
    phase.average = phase.average if average is None else average
    phase.result = one_line_value(message.result)
