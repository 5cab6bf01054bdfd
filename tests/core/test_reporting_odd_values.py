"""A public call of the reporting API never raises in its worker, whatever values it gets."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from phaseline.errors import ConfigError, InvalidField
from phaseline.reporting import JobReporter, Reporter
from phaseline.reporting.compat.photo import ProgressReporter
from phaseline.reporting.compat.websocket_server import WebSocketServer
from phaseline.reporting.record import Record
from phaseline.reporting.rich import follow
from phaseline.reporting.tqdm import tqdm


class Hostile:
    """An object that can't be shown, compared, counted or hashed."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("not with me")

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __float__ = __int__ = _refuse
    __abs__ = __sub__ = __rsub__ = __format__ = __lt__ = item = _refuse


class QuietReporter(Reporter):
    """A reporter whose background thread never starts."""

    def _start(self) -> None:
        return

    def taken(self) -> list[Record]:
        """Return the reports so far."""
        return [item for item in self._inbox.take(progress=True) if isinstance(item, Record)]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=5),
    st.sampled_from(["45%", "\udce9", "a\tb\nc", 100.00000000000003, -1e-9, 2**70, 10**5000, object, Hostile]),
    st.builds(Hostile),
    st.builds(ValueError),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.none()), st.integers(), max_size=3),
    st.sets(st.integers(), max_size=2),
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("phaseline")
    logger.disabled = True
    yield
    logger.disabled = False


JOB_CALLS: list[Callable[[JobReporter, Any, Any], object]] = [
    lambda job, a, b: job.progress(a, b),
    lambda job, a, b: job.progress(50.0, "text", phase=a, details=b),
    lambda job, a, b: job.error(a, b),
    lambda job, a, b: job.error("kind", "text", value=a, other=b),
    lambda job, a, b: job.info(value=a, other=b),
    lambda job, a, b: job.result(value=a, other=b),
    lambda job, a, b: job.complete(a, value=b),
    lambda job, a, _b: job.skip(a),
    lambda job, a, b: job.phase(a, b).__enter__(),
    lambda job, a, b: list(job.track([1, 2], phase=a, total=b)),
    lambda job, a, _b: job.watch(a),
    lambda job, _a, _b: job._reporter._inbox.take(progress=True),
    lambda job, a, b: job.watch(lambda: (a, b, a)),
    lambda job, a, _b: job.cancel(a),
    lambda job, a, b: job.end(a, exit_code=b),
]
REPORTER_CALLS: list[Callable[[Reporter, Any, Any], object]] = [
    lambda reporter, a, _b: reporter.report(a),
    lambda reporter, a, b: reporter.report({"type": a, "job_id": b}),
    lambda reporter, a, b: reporter.report({"type": "job_progress", "job_id": "a", "stage": a, "progress": b}),
    lambda reporter, a, b: reporter.report({"type": "job_completed", "job_id": a, "result": b, "timestamp": a}),
    lambda reporter, a, b: reporter.watch(a, b),
    lambda reporter, a, _b: reporter.flush(a),
    lambda reporter, a, b: reporter.job(a, phases=b, workflow=a, series=b, info=a, job_id=b).__enter__(),
    lambda reporter, a, b: reporter.job("name", phases=a, info=b).__enter__(),
    lambda reporter, a, b: WebSocketServer(reporter).broadcast(a, b),
]
PHOTO_CALLS: list[Callable[[ProgressReporter, Any, Any], object]] = [
    lambda photo, a, b: photo.start_job(a, b, a),
    lambda photo, a, b: photo.start_job("b", a, b),
    lambda photo, a, b: photo.update_progress("a", "importing", a, b),
    lambda photo, a, b: photo.update_progress(a, b, 50.0),
    lambda photo, _a, b: photo.update_progress("a", "importing", 50.0, "text", b),
    lambda photo, a, b: photo.complete_stage("a", a, b),
    lambda photo, a, b: photo.report_error("a", a, b, a, b),
    lambda photo, a, b: photo.send_photo_info(a, b),
    lambda photo, _a, b: photo.send_photo_info("a", b),
    lambda photo, a, _b: photo.get_job_status(a),
    lambda photo, a, b: photo.complete_job("a", a, b),
    lambda photo, a, b: photo.complete_job(a, success=b),
    lambda photo, _a, _b: photo.get_active_jobs(),
]


@given(calls=st.lists(st.tuples(st.sampled_from(JOB_CALLS), VALUES, VALUES), min_size=1, max_size=5))
def test_no_call_of_a_job_raises(calls: list[tuple[Callable[..., object], Any, Any]]) -> None:
    reporter = QuietReporter()
    with reporter.job("a") as job:
        for call, first, second in calls:
            call(job, first, second)
        reporter.taken()


@given(calls=st.lists(st.tuples(st.sampled_from(REPORTER_CALLS), VALUES, VALUES), min_size=1, max_size=5))
def test_no_call_of_a_reporter_raises(calls: list[tuple[Callable[..., object], Any, Any]]) -> None:
    with QuietReporter() as reporter:
        for call, first, second in calls:
            call(reporter, first, second)
        reporter.taken()


@given(calls=st.lists(st.tuples(st.sampled_from(PHOTO_CALLS), VALUES, VALUES), min_size=1, max_size=5))
def test_no_call_of_the_photo_protocol_raises(calls: list[tuple[Callable[..., object], Any, Any]]) -> None:
    photo = ProgressReporter(WebSocketServer(QuietReporter()))
    photo.start_job("a")
    for call, first, second in calls:
        call(photo, first, second)


@given(url=VALUES, spool=VALUES, directory=VALUES, timeout=VALUES, host=VALUES)
def test_a_reporter_is_made_or_its_argument_is_rejected(
    url: Any, spool: Any, directory: Any, timeout: Any, host: Any
) -> None:
    with contextlib.suppress(ConfigError):
        Reporter(url, spool=spool, spool_dir=directory, flush_timeout=timeout, host=host)


@given(count=VALUES, total=VALUES, phase=VALUES)
def test_a_bar_of_tqdm_never_raises_because_it_is_reported(count: Any, total: Any, phase: Any) -> None:
    with QuietReporter().job("a") as job:
        bar = tqdm([], "name", job=job, phase=phase, disable=True)
        bar.total = total
        bar.n = count
        bar.close()


@settings(max_examples=30, deadline=None)
@given(completed=VALUES, total=VALUES, description=VALUES)
def test_a_bar_of_rich_never_raises_because_it_is_reported(completed: Any, total: Any, description: Any) -> None:
    progress = Progress(console=Console(file=io.StringIO()), auto_refresh=False)
    progress.add_task("name")
    [task] = progress.tasks
    with QuietReporter().job("a") as job, follow(progress, job):
        task.description, task.completed, task.total = description, completed, total


def _said(reporter: QuietReporter, kind: str) -> list[bytes]:
    return [record.body for record in reporter.taken() if record.kind == kind]


def test_odd_values_with_a_clear_meaning_are_reported() -> None:
    reporter = QuietReporter()
    with reporter.job(123, phases="load", info=[1]) as job:  # type: ignore[arg-type]
        assert job.job_id.startswith("123-")
        [start] = _said(reporter, "job_started")
        assert b'"name":"123"' in start
        assert b'"phases":["load"]' in start
        assert b"could not be reported" in start
        job.progress(50.0, None)  # type: ignore[arg-type]
        assert b'"progress":50.0,"done":null,"total":null,"unit":"","message":""' in _said(reporter, "job_progress")[0]
        job.progress(100.00000000000003)
        assert b'"progress":100.0,' in _said(reporter, "job_progress")[0]
        job.progress(-1e-9)
        assert b'"progress":0.0,' in _said(reporter, "job_progress")[0]
        job.error("e", ValueError())
        assert b'"error_message":"ValueError"' in _said(reporter, "error_occurred")[0]
        job.error(KeyError("x"), None)
        assert b'"error_type":"KeyError","error_message":"KeyError"' in _said(reporter, "error_occurred")[0]


def test_a_percentage_as_a_string_is_logged_once_and_the_job_continues(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("phaseline").disabled = False
    reporter = QuietReporter()
    with reporter.job("a", job_id="a") as job:
        for _ in range(3):
            job.progress("45%")  # type: ignore[arg-type]
            job.progress("46%")  # type: ignore[arg-type]
        job.progress(47.0)
    assert [record.message for record in caplog.records] == [
        "job_progress of the job 'a' is not reported: progress is '45%'; allowed: a number from 0 to 100"
    ]
    assert [record.kind for record in reporter.taken()] == ["job_started", "job_progress", "job_completed"]


def test_a_sampled_progress_that_is_invalid_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("phaseline").disabled = False
    reporter = QuietReporter()
    with reporter.job("a", job_id="a") as job:
        job.watch(lambda: ("load", 101.0, ""))
        for _ in range(3):
            reporter.taken()
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the progress of the job 'a' is not reported"
    ]


def test_a_strict_reporter_raises_a_phaseline_error_for_a_wrong_type() -> None:
    with QuietReporter(strict=True).job("a") as job:
        with pytest.raises(InvalidField, match="progress is '45%'"):
            job.progress("45%")  # type: ignore[arg-type]
        with pytest.raises(InvalidField):
            ProgressReporter(strict=True).start_job([1])  # type: ignore[arg-type]


def test_a_number_of_items_that_no_loop_reaches_is_unknown() -> None:
    reporter = QuietReporter("http://127.0.0.1:1")
    with reporter.job("huge") as job:
        assert list(job.track([1, 2], phase="work", total=10**5000)) == [1, 2]
