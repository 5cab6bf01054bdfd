"""From a commit group to the rows that the log stores."""

from typing import Final

import msgspec

from phaseline.eta.observed import finished
from phaseline.model.job import Job
from phaseline.model.record import encode_job
from phaseline.model.snapshot import Moment
from phaseline.model.states import PhaseState, State
from phaseline.model.statistics import Statistics
from phaseline_server.jobs.commit_group import Group
from phaseline_server.jobs.turns import Turns
from phaseline_server.log.batch import Batch, JobRow, RunRow
from phaseline_server.log.queries import search_text

__all__ = ["batch_of", "job_row", "run_row"]

_run_encoder: Final = msgspec.json.Encoder()


async def batch_of(group: Group, statistics: Statistics, at: Moment, turns: Turns) -> Batch:
    """Return the rows of `group`, which change `statistics` once they are stored; `at` is the present."""
    jobs: list[JobRow] = []
    for head in group.heads.values():
        jobs.append(job_row(head.job, encode_job(head.job)))
        await turns.offer()
    runs: list[RunRow] = []
    for job in group.ended:
        runs.append(run_row(job))
        await turns.offer()
    if group.forget:
        statistics = Statistics()
    made, hits = statistics.generation_runs, statistics.cache_hits
    for job in group.ended:
        more_made, more_hits = statistics.counted(job)
        made, hits = made + more_made, hits + more_hits
    averages = statistics.after(group.durations)
    return Batch(
        at=at,
        messages=group.messages,
        jobs=jobs,
        producers=group.numbers.latest,
        runs=runs,
        durations=group.durations,
        averages=averages,
        dropped=statistics.excess(averages),
        dismissed=[(job.ended.wall_ns, job.job_id) for job in group.dismissed if job.ended is not None],
        counts=(made, hits) if group.ended else None,
        forget=group.forget,
    )


def job_row(job: Job, record: bytes) -> JobRow:
    """Return what is stored of a job with this record."""
    ended_ns = job.ended.wall_ns if job.ended else None
    return JobRow(
        job_id=job.job_id,
        seq=job.seq,
        state=job.state.value,
        latest_ns=job.latest.wall_ns,
        ended_ns=ended_ns,
        record=record,
        workflow=job.workflow.name,
        series=job.series,
        host=job.host,
        search=_search_text(job),
        dismissed=job.dismissed,
    )


def _search_text(job: Job) -> str:
    return search_text(job.name, job.job_id, job.workflow.name, job.series, job.host)


def run_row(job: Job) -> RunRow:
    """Return what is stored of a job that has ended."""
    moment = job.ended or job.latest
    failed = next((phase.name for phase in job.phases if phase.state is PhaseState.FAILED), job.phase)
    run = finished(job)
    return RunRow(
        seq=job.seq,
        at_ns=moment.wall_ns,
        job_id=job.job_id,
        workflow=job.workflow.name,
        series=job.series,
        state=str(job.state),
        phase=failed,
        duration_ns=job.elapsed_ns(moment),
        body=None if run is None else _run_encoder.encode(run),
        host=job.host,
        search=_search_text(job),
        measured=job.state is State.COMPLETED and not job.cache_hit,
    )
