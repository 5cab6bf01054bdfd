"""The quick path: reports of progress that are like the last one of their job, out of many that arrived together.

Such a report is of the job's current phase and by the same producer, with a higher number. The checks of `Intake.take`
come to the same result for it as for the last one, and the rest of its work is done once for all of them.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from phaseline.model.events import Event, JobProgress
from phaseline.stream import Message
from phaseline_server.jobs.commit_group import Arrival, Group, Head, Quick
from phaseline_server.log.batch import ProducerKey

__all__ = ["quick_of", "take_quickly"]

_AT_ONCE: Final = 250
"""Reports that take about a millisecond."""


def quick_of(head: Head, event: JobProgress, key: ProducerKey | None, arrival: Arrival) -> Quick | None:
    """Return what the next report can share with `event`, the last one that `head.job` accepted; None if nothing."""
    job = head.job
    if head.lines is None or head.behind or job.current is None or event.age_seconds:
        return None
    phase = job.phases[job.current]
    return Quick(
        arrival=arrival,
        phase=phase,
        reported_ns=phase.elapsed_ns(arrival.present),
        lines=head.lines,
        producer=event.producer,
        key=key,
        names=None if key is None else key[:2],
        has_photo=job.photo_id is not None,
    )


def take_quickly(group: Group, events: Sequence[Event], start: int, last: int, arrival: Arrival) -> int:
    """Add the events from index `start` to the group until one is not for the quick path; return how many were.

    Args:
        group: The group that gathers reports.
        events: Those that arrived together.
        start: The index of the first one.
        last: The number that was given last.
        arrival: Where they come from.
    """
    heads, messages, worker_of = group.heads, group.messages, arrival.worker_of
    latest, highest = group.numbers.latest, group.numbers.highest
    seq, noted = last, False
    producer: str | None = None
    for event in islice(events, start, start + _AT_ONCE):
        head = heads.get(event.job_id)
        if (
            head is None
            or (quick := head.quick) is None
            or quick.arrival is not arrival
            or type(event) is not JobProgress
            or event.phase != quick.phase.name
            or event.producer != quick.producer
            or event.done is not None
            or event.age_seconds
            or not (event.photo_id is None or quick.has_photo)
        ):
            break
        number, progress = event.producer_seq, event.progress
        if progress is not None and not 0 <= progress <= 100:  # noqa: PLR2004 - percent
            break
        if quick.key is None or quick.names is None:
            if number is not None and quick.producer is not None:
                break
        elif number is None or number <= highest[quick.names]:
            break
        else:
            highest[quick.names] = number
            latest[quick.key] = (number, seq + 1)
        if worker_of is not None and not (noted and event.producer == producer):
            worker_of(event)  # a connection tracks its most recent producers
            producer, noted = event.producer, True
        if progress is not None:
            quick.phase.report_after(quick.reported_ns, progress)
        seq += 1
        head.job.seq, head.job.text = seq, event.text
        messages.append(Message(seq, "job_progress", event.job_id, head.channels, quick.lines.encode_next(event, seq)))
    group.reports += seq - last
    return seq - last
