"""A job: its reported state, and the snapshots of it."""

import msgspec

from phaseline.model.reported import MAX_ERRORS, MAX_KEPT_BYTES, ReportedJob
from phaseline.model.snapshot import Brief, Estimate, Moment, Reason, Snapshot
from phaseline.model.states import State

__all__ = ["MAX_ERRORS", "MAX_KEPT_BYTES", "Job"]


class Job(ReportedJob):
    """One job, from `job_started` to its end; for the attributes see `ReportedJob`."""

    def shown_percent(self, percent: float) -> float:
        """Return the percent to publish for an engine's estimate: it never falls, and is 100 only on completion."""
        if not (self.state.ended or self.state.stopped or self.state is State.QUEUED):
            self.percent = max(self.percent, min(percent, 99.9))
        return self.percent

    def settle(self, estimate: Estimate) -> None:
        """Record the progress so far from the engine's current estimate, because the next event may stop the job."""
        self.shown_percent(estimate.percent)
        reached = self.timeline.reached()
        if self.current is not None:
            reported = self.phases[self.current].progress
            self.reached = estimate.phase_percent if reported is None else reported
        elif reached is not None:
            self.reached = self.phases[reached].progress or 0.0

    def elapsed_ns(self, now: Moment) -> int:
        """Return the time from the start to the end, to the last report of a lost job, or to now."""
        return max(0, self._until(now).mono_ns - self.started.mono_ns)

    def _until(self, now: Moment) -> Moment:
        return self.ended or (self.last_report if self.state is State.LOST else now)

    def phase_offset_ns(self) -> int:
        """Return the job's time at the start of its current phase, less the time spent in that phase before."""
        if self.current is None:
            return 0
        phase = self.phases[self.current]
        return (phase.entered_ns or 0) - phase.spent_ns - self.started.mono_ns

    @property
    def phase(self) -> str:
        """The name of the current phase; `completed` or `failed` after the end; "" before the first."""
        if self.state.ended:
            return "completed" if self.state is State.COMPLETED else "failed"
        reached = self.timeline.reached()
        return "" if reached is None else self.phases[reached].name

    @property
    def phase_index(self) -> int:
        """1-based index of the current or last phase; the number of phases on completion."""
        if self.state is State.COMPLETED:
            return len(self.phases)
        reached = self.timeline.reached()
        return min(1, len(self.phases)) if reached is None else reached + 1

    def brief(self, now: Moment, estimate: Estimate, begins_ns: int | None = None) -> Brief:
        """Return the part of the state that every message contains; the arguments are those of `snapshot`."""
        return Brief(
            at_ns=self._at_ns(now),
            name=self.name,
            photo_id=self.photo_id,
            workflow=self.workflow.name,
            series=self.series,
            host=self.host,
            state=self.state,
            phase_index=self.phase_index,
            phase_count=len(self.phases),
            estimate=self._shown(estimate, begins_ns),
            elapsed_ns=self.elapsed_ns(now),
        )

    def _at_ns(self, now: Moment) -> int:
        return self.started.wall_ns + self.elapsed_ns(now) if self.ended else now.wall_ns

    def _shown(self, estimate: Estimate, begins_ns: int | None) -> Estimate:
        if self.state is State.QUEUED:
            own_ns = estimate.remaining_ns
            end_ns = None if own_ns is None or begins_ns is None else begins_ns + own_ns
            return Estimate(0.0, end_ns, basis="none" if end_ns is None else estimate.basis, runs=estimate.runs)
        percent = self.shown_percent(estimate.percent)
        if self.state.ended:
            reached = 100.0 if self.state is State.COMPLETED else self.reached
            return Estimate(percent, 0, 0, 0, estimate.basis, estimate.runs, reached, 0)
        if self.state.stopped or self.orders.paused:
            return Estimate(percent, basis=estimate.basis, runs=estimate.runs, phase_percent=estimate.phase_percent)
        return estimate if percent == estimate.percent else msgspec.structs.replace(estimate, percent=percent)

    def snapshot(
        self,
        now: Moment,
        estimate: Estimate,
        averages: dict[str, int],
        reasons: tuple[Reason, ...] = (),
        begins_ns: int | None = None,
    ) -> Snapshot:
        """Return the job's full state.

        Args:
            now: The present.
            estimate: The engine's estimate. For an ended job the remaining time becomes 0, for a stalled, lost or
                paused one unknown.
            averages: Average durations of the workflow's phases in nanoseconds, by name.
            reasons: The recent large changes of the estimate.
            begins_ns: The estimated time until a queued job starts; None if unknown.
        """
        phase = self.phases[self.current] if self.current is not None else None
        reached = self.timeline.reached()
        last = None if reached is None else self.phases[reached]
        return Snapshot(
            at_ns=self._at_ns(now),
            name=self.name,
            job_id=self.job_id,
            workflow=self.workflow.name,
            series=self.series,
            host=self.host,
            photo_id=self.photo_id,
            info=dict(self.info),
            state=self.state,
            phase=self.phase,
            phase_index=self.phase_index,
            phase_count=len(self.phases),
            phases=tuple(p.snapshot(self._until(now), averages.get(p.name)) for p in self.phases),
            text=self.text,
            progress=phase.progress if phase else None,
            estimate=self._shown(estimate, begins_ns),
            errors=self.errors,
            started_ns=self.started.wall_ns,
            ended_ns=self._at_ns(now) if self.ended else 0,
            elapsed_ns=self.elapsed_ns(now),
            result=self.result,
            duration=self.duration,
            cache_hit=self.cache_hit,
            seq=self.seq,
            results=self.results,
            reasons=reasons,
            stall_reason=self.stall_reason,
            silent_ns=max(0, now.mono_ns - self.last_report.mono_ns) if self.state.stopped else 0,
            worker=self.worker,
            done=last.done if last else None,
            total=last.total if last else None,
            unit=last.unit if last else "",
            rate=last.rate if last else None,
            dismissed=self.dismissed,
            queue=self.queue,
            position=self.waits.position if self.waits is not None else None,
            queued_ns=self.queued.wall_ns if self.queued is not None else 0,
            begins_ns=begins_ns if self.state is State.QUEUED else None,
            orders=self.orders.taken,
            pending=self.orders.pending,
            paused=self.orders.paused,
        )
