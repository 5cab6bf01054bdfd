"""Orders of users, and jobs that wait in a queue."""

from typing import Any

import pytest

from phaseline.errors import IllegalEvent, OrderPending, PhaselineError, TakesNoOrders, WorkerGone
from phaseline.model.events import (
    Event,
    JobCompleted,
    JobLost,
    JobProgress,
    JobQueued,
    JobStalled,
    JobStarted,
    OrderGiven,
    OrderRefused,
    OrderTaken,
    PhotoInfo,
)
from phaseline.model.job import Job
from phaseline.model.record import decode_job, encode_job
from phaseline.model.snapshot import Estimate, Snapshot
from phaseline.model.states import State
from tests.support.core_events import SECOND, WALL, enter, moment, started


def given(order: str, order_id: str = "o1", reason: str = "") -> OrderGiven:
    return OrderGiven(job_id="job_1", order=order, order_id=order_id, reason=reason)  # type: ignore[arg-type]


def taken(order: str, order_id: str = "o1") -> OrderTaken:
    return OrderTaken(job_id="job_1", order=order, order_id=order_id)  # type: ignore[arg-type]


def refused(order: str, order_id: str = "o1") -> OrderRefused:
    return OrderRefused(job_id="job_1", order=order, order_id=order_id, reason="busy")  # type: ignore[arg-type]


def shown(job: Job, at: float, begins_s: float | None = None) -> Snapshot:
    begins_ns = None if begins_s is None else round(begins_s * SECOND)
    return job.snapshot(moment(at), Estimate(0.0, 60 * SECOND), {}, (), begins_ns)


def apply(job: Job, *events: Event) -> None:
    for event in events:
        job.apply(event, moment(10))


def waiting(**fields: Any) -> Job:
    job = Job("job_1")
    job.apply(JobQueued(job_id="job_1", queue="gpu", position=2, **fields), moment(0))
    return job


def test_an_order_waits_until_the_worker_receives_it() -> None:
    job = started(orders=("cancel",))
    apply(job, given("cancel", reason="wrong file"))
    [order] = shown(job, 10).pending
    assert (order.order_id, order.order, order.reason, order.at_ns) == (
        "o1",
        "cancel",
        "wrong file",
        WALL + 10 * SECOND,
    )
    apply(job, taken("cancel"))
    assert shown(job, 10).pending == ()
    assert job.state is State.ACTIVE  # its worker reports the end


def test_an_order_is_not_a_sign_of_life_of_the_worker() -> None:
    job = started(orders=("cancel",))
    job.apply(JobStalled(job_id="job_1"), moment(5))
    latest = job.last_report
    apply(job, given("cancel"))
    assert (job.state, job.stall_reason, job.last_report) == (State.STALLED, "silent", latest)
    apply(job, taken("cancel"))
    assert job.state is State.ACTIVE


def test_a_rejected_order_does_not_change_the_job() -> None:
    job = started(orders=("pause",))
    apply(job, given("pause"), refused("pause"))
    assert (shown(job, 10).pending, shown(job, 10).paused) == ((), False)


def test_a_paused_job_has_no_estimate_and_its_phase_measures_no_work() -> None:
    job = started(orders=("pause",))
    enter(job, "render", 1, 40)
    assert shown(job, 5).estimate.remaining_ns is not None
    apply(job, given("pause"), taken("pause"))
    assert shown(job, 10).paused
    assert shown(job, 10).estimate.remaining_ns is None
    assert not job.phases[0].measured
    apply(job, given("resume", "o2"), taken("resume", "o2"))
    assert not shown(job, 10).paused
    assert shown(job, 10).estimate.remaining_ns is not None


@pytest.mark.parametrize(
    ("orders", "before", "order", "error", "words"),
    [
        ((), [], "cancel", TakesNoOrders, "job 'job_1' can't be cancelled: its worker takes no orders; allowed: "),
        (("cancel",), [], "pause", TakesNoOrders, "its worker does not take this order; allowed: cancel"),
        (("cancel",), [given("cancel")], "cancel", OrderPending, "the same order is already pending"),
        (("pause",), [given("pause"), taken("pause")], "pause", IllegalEvent, "it is paused already; resume it"),
        (("pause",), [], "resume", IllegalEvent, "it is not paused; allowed: a paused job"),
        (("cancel",), [JobCompleted(job_id="job_1")], "cancel", IllegalEvent, "it has ended \\(completed\\)"),
        (("cancel",), [JobLost(job_id="job_1")], "cancel", WorkerGone, "its worker is gone \\(lost\\)"),
        (("cancel",), [JobStalled(job_id="job_1", reason="worker gone")], "cancel", WorkerGone, "its worker is gone"),
    ],
)
def test_an_order_without_a_worker_to_execute_it_is_rejected_with_the_reason(
    orders: tuple[str, ...], before: list[Event], order: str, error: type[PhaselineError], words: str
) -> None:
    job = started(orders=orders)
    apply(job, *before)
    with pytest.raises(error, match=words):
        job.apply(given(order, "o2"), moment(11))
    assert error.status == 409


def test_an_answer_to_no_order_is_rejected() -> None:
    job = started(orders=("cancel", "pause"))
    apply(job, given("cancel"))
    for answer in (taken("cancel", "other"), taken("pause"), refused("cancel", "other")):
        with pytest.raises(IllegalEvent, match="allowed: cancel 'o1'"):
            job.apply(answer, moment(11))


def test_a_queued_job_has_facts_and_a_place_but_no_work() -> None:
    job = waiting(name="night render", workflow="blender", phases=("load", "render"), photo_info={"shot": 12}, host="a")
    found = shown(job, 30)
    assert (found.state, found.name, found.workflow, found.host) == (State.QUEUED, "night render", "blender", "a")
    assert (found.queue, found.position, found.queued_ns, found.info) == ("gpu", 2, WALL, {"shot": 12})
    assert (found.phase, found.estimate.percent, found.estimate.remaining_ns) == ("", 0, None)


def test_the_estimated_end_of_a_queued_job_is_its_start_plus_its_duration() -> None:
    found = shown(waiting(), 30, begins_s=20)
    assert (found.begins_ns, found.estimate.remaining_ns) == (20 * SECOND, 80 * SECOND)
    assert (found.estimate.low_ns, found.estimate.high_ns) == (None, None)


def test_a_place_in_the_queue_changes_and_the_time_of_queueing_does_not() -> None:
    job = waiting(orders=("cancel",))
    apply(job, given("cancel"), JobQueued(job_id="job_1", queue="gpu", position=1, orders=("cancel",)))
    found = shown(job, 30)
    assert (found.position, found.queued_ns, len(found.pending)) == (1, WALL, 1)


def test_a_started_job_keeps_the_data_of_its_queued_job() -> None:
    job = waiting(name="night render", workflow="blender", phases=("load", "render"), series="4k", host="a")
    apply(job, PhotoInfo(job_id="job_1", data={"shot": 12}), JobStarted(job_id="job_1", orders=("pause",)))
    found = shown(job, 30)
    assert (found.state, found.name, found.workflow, found.series) == (State.ACTIVE, "night render", "blender", "4k")
    assert [phase.name for phase in found.phases] == ["load", "render"]
    assert (found.info, found.queue, found.position, found.queued_ns) == ({"shot": 12}, "gpu", None, WALL)
    assert (found.started_ns, found.elapsed_ns, found.orders) == (WALL + 10 * SECOND, 20 * SECOND, ("pause", "resume"))


def test_an_order_given_in_the_queue_still_waits_after_the_start() -> None:
    job = waiting(orders=("cancel",))
    apply(job, given("cancel"), JobStarted(job_id="job_1", orders=("cancel",)))
    assert [order.order_id for order in shown(job, 30).pending] == ["o1"]
    job = waiting(orders=("cancel",))
    apply(job, given("cancel"), JobStarted(job_id="job_1"))
    assert shown(job, 30).pending == ()


def test_a_record_keeps_the_queue_and_the_orders() -> None:
    job = waiting(name="night render", orders=("cancel", "pause"))
    apply(job, given("cancel", reason="why"))
    again = decode_job(encode_job(job), moment(40), same_clock=True)
    assert shown(again, 40) == shown(job, 40)
    again.apply(JobStarted(job_id="job_1", orders=("pause",)), moment(41))
    assert (again.name, again.queue, again.queued) == ("night render", "gpu", moment(0))
    again.apply(JobProgress(job_id="job_1", phase="work"), moment(42))
    again.apply(given("pause", "o2"), moment(43))
    again.apply(taken("pause", "o2"), moment(43))
    assert decode_job(encode_job(again), moment(44), same_clock=True).orders.paused
