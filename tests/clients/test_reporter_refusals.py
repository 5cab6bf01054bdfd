"""Reports that are wrong, and servers that reject them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio_websocket

from phaseline.errors import InvalidField, InvalidJSON, PhaselineError, Refused, TooLarge, UnknownType
from phaseline.model.events import JobCompleted, JobFailed, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.reporting import Reporter
from phaseline.reporting.delivery.outbox import Outbox
from phaseline.reporting.record import encoded
from tests.support.reporting import job_status, run_program, subscriber, ws_url
from tests.support.servers import ServerProcess, client_of, server_process

NAN = float("nan")
WRONG: list[tuple[Any, type[PhaselineError]]] = [
    (JobProgress(job_id="a", phase="importing", progress=101), InvalidField),
    (JobProgress(job_id="a", phase="importing", progress=NAN), InvalidField),
    (JobProgress(job_id="a", phase="importing", progress="half"), InvalidField),  # type: ignore[arg-type]
    (JobProgress(job_id="a", phase="", progress=1), InvalidField),
    (JobProgress(job_id="", phase="importing"), InvalidField),
    (PhotoInfo(job_id="a", data=[1]), InvalidField),  # type: ignore[arg-type]
    (PhotoInfo(job_id="a", data={"large": "x" * 70_000}), TooLarge),
    (PhotoInfo(job_id="a", data={"deep": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}), InvalidJSON),
    ({"type": "job_lost", "job_id": "a"}, UnknownType),
    ({"type": "job_progress", "job_id": "a"}, InvalidField),
    ({}, UnknownType),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_process(tmp_path) as running:
        yield running


@pytest.mark.parametrize(("event", "error"), WRONG)
async def test_a_wrong_report_is_logged_once_and_never_raised(
    event: Any, error: type[PhaselineError], caplog: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter("ws://127.0.0.1:1/ws")
    reporter.report(event)
    reporter.report(event)
    [record] = caplog.records
    assert "is not reported" in record.message
    assert "allowed:" in record.message
    reporter.close()


@pytest.mark.parametrize(("event", "error"), WRONG)
async def test_a_strict_reporter_raises_the_error_of_the_server_at_once(
    event: Any, error: type[PhaselineError]
) -> None:
    with Reporter("ws://127.0.0.1:1/ws", strict=True) as reporter, pytest.raises(error, match="allowed:"):
        reporter.report(event)


async def test_a_report_that_only_the_server_rejects_is_logged_once(
    server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a", workflow="photo"))
        for n in range(3):
            reporter.report(PhaseCompleted(job_id="a", phase="no such stage", result={"n": n}))
        reporter.report(JobCompleted(job_id="a"))
        reporter.report(PhotoInfo(job_id="a", data={}))
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        "the server rejected stage_completed of the job 'a'",
        "the server rejected photo_info of the job 'a'",
    ]
    assert "importing" in caplog.records[0].message
    assert (await job_status(server.url, "a"))["state"] == "completed"


async def test_a_strict_reporter_raises_a_rejection_at_the_next_call(server: ServerProcess) -> None:
    async with Reporter(ws_url(server.url), flush_timeout=60, strict=True) as reporter:
        reporter.report(JobStarted(job_id="a", workflow="photo"))
        reporter.report(PhaseCompleted(job_id="a", phase="no such stage"))
        with pytest.raises(Refused, match=r"rejected stage_completed of the job 'a' \(INVALID_FIELD\).*importing"):
            await reporter.aflush()
        reporter.report(PhaseCompleted(job_id="a", phase="importing"))
        assert await reporter.aflush()


async def test_a_strict_reporter_raises_a_rejection_at_its_end_unless_something_else_is_raised(
    server: ServerProcess,
) -> None:
    async def work(job_id: str, divisor: int) -> None:
        async with Reporter(ws_url(server.url), flush_timeout=60, strict=True) as reporter:
            reporter.report(JobStarted(job_id=job_id, workflow="photo"))
            reporter.report(PhaseCompleted(job_id=job_id, phase="no such stage"))
            1 / divisor

    with pytest.raises(Refused):
        await work("a", 1)
    with pytest.raises(ZeroDivisionError):
        await work("b", 0)


@pytest.mark.parametrize("end", [JobCompleted, JobFailed])
@pytest.mark.parametrize("result", [{"large": "x" * 70_000}, {"deep": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}])
async def test_a_job_ends_even_if_its_result_cannot_be_encoded(
    server: ServerProcess, end: Any, result: dict[str, Any]
) -> None:
    async with Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a"))
        reporter.report(end(job_id="a", result=result))
    status = await job_status(server.url, "a")
    assert status["state"] == ("completed" if end is JobCompleted else "failed")
    assert "could not be reported" in str(status["result"])


@pytest.mark.slow
async def test_values_without_a_json_form_are_approximated(server: ServerProcess) -> None:
    code = """
import sys, pathlib, datetime, numpy, decimal
from phaseline.reporting import Reporter
with Reporter(flush_timeout=60) as reporter, reporter.job("odd", job_id="odd", phases=["a"]) as job:
    job.progress(numpy.float32(12.5), phase="a")
    job.info(path=pathlib.Path("/a/b"), count=numpy.int64(3), name=b"\\xff.jpg".decode("utf-8", "surrogateescape"))
    job.info(many=numpy.arange(2), huge=2**70, tags={"x"}, when=datetime.date(2025, 1, 2), what=object)
    job.info(nan=float("nan"))
    job.info(**{"keys": {1: "one", None: "none", (1, 2): "pair"}})
"""
    done = await run_program(code, env={"PROGRESS_URL": server.url})
    assert done.stderr == b""
    status = await job_status(server.url, "odd")
    assert status["state"] == "completed"
    assert status["stages"][0]["progress"] == 100
    assert status["photo_info"] == {
        "path": "/a/b",
        "count": 3,
        "name": "?.jpg",
        "many": "[0 1]",
        "huge": 2**70,
        "tags": ["x"],
        "when": "2025-01-02",
        "what": "<class 'object'>",
        "nan": None,
        "keys": {"1": "one", "None": "none", "(1, 2)": "pair"},
    }


async def test_a_report_is_not_affected_by_later_changes_of_its_values(server: ServerProcess) -> None:
    data: dict[str, Any] = {"n": 0}
    async with subscriber(server.url) as watching, Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a"))
        for n in range(20):
            data["n"] = n
            reporter.report(PhotoInfo(job_id="a", data=data))
        data["n"] = "later"
        assert await reporter.aflush()
        await watching.until_type("photo_info", 20)
        assert [m["photo_data"]["n"] for m in watching.messages if m["type"] == "photo_info"] == list(range(20))


async def test_a_full_server_gets_the_job_once_it_has_space(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path, "--max-jobs", "1") as server,
        subscriber(server.url) as watching,
        Reporter(ws_url(server.url), flush_timeout=60) as reporter,
    ):
        reporter.report(JobStarted(job_id="first"))
        assert await reporter.aflush()
        reporter.report(JobStarted(job_id="second"))
        reporter.report(PhaseCompleted(job_id="second", phase="importing"))
        reporter.report(PhotoInfo(job_id="second", data={"n": 1}))
        reporter.report(PhotoInfo(job_id="first", data={"n": 1}))
        await watching.until_type("photo_info")
        reporter.report(JobCompleted(job_id="first"))
        reporter.report(JobCompleted(job_id="second"))
        await watching.until_type("job_completed", 2)
        assert [(message["job_id"], message["type"]) for message in watching.messages] == [
            ("first", "job_started"),
            ("first", "photo_info"),
            ("first", "job_completed"),
            ("second", "job_started"),
            ("second", "stage_completed"),
            ("second", "photo_info"),
            ("second", "job_completed"),
        ]


async def test_only_the_frame_over_the_size_limit_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with server_process(tmp_path, "--max-message", "2000") as server:
        async with Reporter(ws_url(server.url), flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a"))
            reporter.report(PhotoInfo(job_id="a", data={"large": "x" * 3000}))
            reporter.report(PhotoInfo(job_id="a", data={"n": 1}))
            reporter.report(JobCompleted(job_id="a", result={"large": "x" * 5000}))
            assert await reporter.aflush()
        status = await job_status(server.url, "a")
        assert (status["state"], status["photo_info"]) == ("completed", {"n": 1})
        assert "could not be reported" in status["result"]["note"]
    refused = [record.message for record in caplog.records if "rejected" in record.message]
    # The largest of the reports in flight together is named first; how many those are is random.
    assert sorted(text.partition(" of ")[0] for text in refused) == [
        "the server rejected job_completed",
        "the server rejected photo_info",
    ]


async def test_a_report_after_close_is_ignored(server: ServerProcess, caplog: pytest.LogCaptureFixture) -> None:
    async with Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a"))
    reporter.report(JobCompleted(job_id="a"))
    assert "is closed; report before close()" in caplog.text
    assert (await job_status(server.url, "a"))["state"] == "active"


async def test_the_server_names_the_report_that_it_rejects(server: ServerProcess) -> None:
    """The reporter relies on an answer to each report that names it, for every kind of error."""
    output = [
        {"type": "register", "acks": True},
        {"type": "job_started", "job_id": "a", "workflow": "photo", "producer": "p", "producer_seq": 1},
        {"type": "job_progress", "job_id": "a", "stage": "no such stage", "producer": "p", "producer_seq": 2},
        {"type": "job_progress", "job_id": "b", "stage": "importing", "producer": "p", "producer_seq": 3},
        {"type": "job_progress", "job_id": "a", "progress": "wrong", "producer": "p", "producer_seq": 4},
        {"type": "no such type", "producer_seq": 5},
        {"type": "no such type"},
    ]
    async with trio_websocket.open_websocket_url(ws_url(server.url)) as websocket:
        assert json.loads(await websocket.get_message())["type"] == "connection_established"
        for message in output:
            await websocket.send_message(json.dumps(message))
        answers = [json.loads(await websocket.get_message()) for _ in output]
    assert [(answer["type"], answer.get("producer_seq"), answer.get("code")) for answer in answers] == [
        ("registration_confirmed", None, None),
        ("ack", 1, None),
        ("error", 2, "INVALID_FIELD"),
        ("error", 3, "UNKNOWN_JOB"),
        ("error", 4, "INVALID_FIELD"),
        ("error", 5, "UNKNOWN_TYPE"),
        ("error", None, "UNKNOWN_TYPE"),
    ]


async def test_a_producers_name_whose_numbers_were_used_is_replaced_and_nothing_is_lost(
    server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a", phases=("one", "two")))
        assert await reporter.aflush()
        background = reporter._background
        assert background is not None
        spool = background._own.spool
        name = spool.producer
        async with client_of(server.url) as client:
            used = {"job_id": "other", "producer": name, "producer_seq": spool.number + 50}
            (await client.post("/progress/start", json=used)).raise_for_status()
        for phase in ("one", "two"):
            reporter.report(JobProgress(job_id="a", phase=phase, progress=40))
            reporter.report(PhaseCompleted(job_id="a", phase=phase))
        reporter.report(JobStarted(job_id="b"))
        assert await reporter.aflush()
        assert spool.producer.startswith(f"{name}~")
        assert (await job_status(server.url, "a"))["state"] == "active"
        reporter.report(JobCompleted(job_id="a"))
    status = await job_status(server.url, "a")
    assert status["state"] == "completed"
    assert [stage["stage"] for stage in status["stages_completed"]] == ["one", "two"]
    assert (await job_status(server.url, "b"))["state"] == "active"
    assert caplog.records == []


async def test_a_spool_whose_numbers_were_used_since_is_delivered_under_another_name(
    server: ServerProcess, tmp_path: Path
) -> None:
    """A process leaves such a spool if it dies after it renumbered records, and before its file has the numbers."""
    left = Outbox.own("box-1", 10, tmp_path / "spool")
    left.add(encoded(event) for event in (JobStarted(job_id="late"), JobCompleted(job_id="late")))
    left.close()
    async with client_of(server.url) as client:
        used = {"job_id": "other", "producer": "box-1", "producer_seq": 7}
        (await client.post("/progress/start", json=used)).raise_for_status()
        async with Reporter(ws_url(server.url), spool_dir=tmp_path / "spool", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="b"))
            assert await reporter.aflush()
    assert (await job_status(server.url, "late"))["state"] == "completed"
    assert list((tmp_path / "spool").iterdir()) == []
