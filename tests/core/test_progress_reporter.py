"""The photo protocol's `ProgressReporter` alone: its broadcasts, its state, and the calls that it ignores."""

import json
import re
from typing import Any
from unittest.mock import ANY

import pytest

import phaseline.reporting.compat.photo as module
from phaseline.errors import IllegalEvent, InvalidField, PhaselineError, UnknownJob
from phaseline.model.workflows import PHOTO
from progress_reporter import ProcessingStage, ProgressReporter
from websocket_server import get_websocket_server

NAN = float("nan")


class Server:
    """Records the messages to broadcast."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def broadcast(self, message: dict[str, Any], channel: str) -> None:
        self.sent.append((channel, message))

    @property
    def types(self) -> list[str]:
        return [message["type"] for _, message in self.sent]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def reporter(server: Server) -> ProgressReporter:
    made = ProgressReporter(server)
    made.start_job("job_1", 7, {"file_name": "a.jpg"})
    return made


def test_the_stages_are_the_workflows_and_its_two_ends() -> None:
    assert tuple(ProcessingStage) == (*PHOTO.phases, *PHOTO.ends)
    assert f"{ProcessingStage.EXIF_ANALYSIS}" == "exif_analysis"


def test_each_event_is_broadcast_once_with_exactly_the_contracts_message(
    reporter: ProgressReporter, server: Server
) -> None:
    reporter.update_progress("job_1", ProcessingStage.IMPORTING, 25.0, "reading", {"n": 1})
    reporter.complete_stage("job_1", ProcessingStage.IMPORTING, {"bytes": 3})
    reporter.report_error("job_1", "odd", "so it was", {"field": "x"}, ProcessingStage.IMPORTING)
    reporter.send_photo_info("job_1", {"exif": {}})
    reporter.complete_job("job_1", success=True, result={"well": True})
    common = {"job_id": "job_1", "photo_id": 7}
    expected: list[tuple[str, dict[str, Any]]] = [
        ("jobs", {"type": "job_started", **common, "photo_info": {"file_name": "a.jpg"}}),
        (
            "jobs",
            {
                "type": "job_progress",
                **common,
                "stage": "importing",
                "progress": 25.0,
                "message": "reading",
                "details": {"n": 1},
            },
        ),
        ("jobs", {"type": "stage_completed", **common, "stage": "importing", "result": {"bytes": 3}}),
        (
            "jobs",
            {
                "type": "error_occurred",
                **common,
                "error_type": "odd",
                "error_message": "so it was",
                "error_details": {"field": "x"},
                "stage": "importing",
            },
        ),
        ("photos", {"type": "photo_info", **common, "photo_data": {"exif": {}}}),
        (
            "jobs",
            {
                "type": "job_completed",
                **common,
                "success": True,
                "result": {"well": True},
                "stages_completed": [{"stage": "importing", "completed_at": ANY, "result": {"bytes": 3}}],
            },
        ),
    ]
    duration = server.sent[-1][1].pop("duration")
    assert isinstance(duration, float)
    stamps = [message.pop("timestamp") for _, message in server.sent]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp) for stamp in stamps)
    assert server.sent == expected
    assert all(type(message.get("stage", "")) is str for _, message in server.sent)
    assert json.loads(json.dumps(server.sent[1][1])) == expected[1][1]


def test_a_failure_has_no_stages_completed(reporter: ProgressReporter, server: Server) -> None:
    reporter.complete_job("job_1", False, {"error": "no file"})
    [_, (channel, message)] = server.sent
    assert channel == "jobs"
    assert set(message) == {"type", "job_id", "photo_id", "success", "result", "duration", "timestamp"}
    assert (message["type"], message["success"], message["result"]) == ("job_failed", False, {"error": "no file"})


def test_active_jobs_is_a_plain_dict_with_the_contracts_keys(reporter: ProgressReporter) -> None:
    assert type(reporter.active_jobs) is dict
    keys = {"photo_id", "photo_info", "current_stage", "progress", "stages_completed", "errors"}
    assert set(reporter.active_jobs["job_1"]) == keys
    reporter.update_progress("job_1", "importing", 50)
    reporter.complete_stage("job_1", "importing")
    reporter.complete_stage("job_1", "importing")
    reporter.report_error("job_1", "odd", "text")
    job = reporter.active_jobs["job_1"]
    assert (job["current_stage"], job["progress"]) == ("importing", 50)
    assert job["stages_completed"] == [{"stage": "importing", "completed_at": ANY, "result": {}}]
    [error] = job["errors"]
    assert set(error) == {"error_type", "error_message", "error_details", "stage", "timestamp"}
    reporter.complete_job("job_1", result={"n": 1})
    assert set(job) == keys | {"success", "result", "completed_at"}
    assert (job["success"], job["result"], job["current_stage"], job["progress"]) == (True, {"n": 1}, "completed", 100)


def test_an_ended_job_stays_in_the_dict_but_is_not_active(reporter: ProgressReporter) -> None:
    reporter.start_job("job_2")
    reporter.complete_job("job_1")
    assert set(reporter.active_jobs) == {"job_1", "job_2"}
    assert set(reporter.get_active_jobs()) == {"job_2"}
    assert reporter.get_active_jobs()["job_2"]["progress"] == 0.0
    status = reporter.get_job_status("job_1")
    assert status is not None
    assert (status["job_id"], status["success"], status["photo_id"]) == ("job_1", True, 7)
    assert reporter.get_job_status("never") is None


def test_an_ended_job_is_forgotten_after_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    reporter = ProgressReporter(retention=60)
    for job in ("ended", "active"):
        reporter.start_job(job)
    now = 1010.0
    reporter.complete_job("ended")
    now = 1070.0
    status = reporter.get_job_status("ended")
    assert status is not None
    assert status["elapsed_seconds"] == 10.0
    now = 1070.1
    assert reporter.get_job_status("ended") is None
    assert set(reporter.active_jobs) == {"active"}
    status = reporter.get_job_status("active")
    assert status is not None
    assert status["elapsed_seconds"] == 70.1


def test_progress_in_completed_does_not_end_a_job(reporter: ProgressReporter, server: Server) -> None:
    reporter.update_progress("job_1", ProcessingStage.COMPLETED, 100.0)
    assert "job_1" in reporter.get_active_jobs()
    reporter.complete_job("job_1")
    assert server.types == ["job_started", "job_progress", "job_completed"]


def test_only_visible_changes_and_signs_of_life_are_broadcast(
    reporter: ProgressReporter, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)

    def reported(stage: str, progress: float | None, message: str = "", details: dict[str, Any] | None = None) -> bool:
        before = len(server.sent)
        reporter.update_progress("job_1", stage, progress, message, details)
        return len(server.sent) > before

    assert reported("importing", 10.0)
    assert not reported(ProcessingStage.IMPORTING, 10.0)
    assert not reported("importing", 10.004)
    assert reported("importing", 10.01)
    assert reported("importing", 10.01, "text")
    assert reported("importing", 10.01, "text", {"n": 1})
    assert reported("exporting", 10.01, "text")
    assert not reported("exporting", 10.01, "text")
    now += 5.0
    assert reported("exporting", 10.01, "text")
    assert not reported("exporting", 10.01, "text")
    reporter.complete_stage("job_1", "exporting")
    assert reported("exporting", 10.01, "text")
    assert reported("exporting", None)


def test_a_second_end_is_logged_and_ignored(
    reporter: ProgressReporter, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.complete_job("job_1", success=True)
    reporter.complete_job("job_1", success=False, result={"error": "x"})
    reporter.complete_job("job_1", success=False, result={"error": "x"})
    assert server.types == ["job_started", "job_completed"]
    assert reporter.active_jobs["job_1"]["success"] is True
    assert [record.message for record in caplog.records] == [
        "complete_job('job_1') is ignored: job 'job_1' is completed already; start it again with start_job"
    ]


def test_a_job_may_be_started_again_once_it_is_over(reporter: ProgressReporter, server: Server) -> None:
    reporter.start_job("job_1", 8)
    assert server.types == ["job_started"]
    reporter.complete_job("job_1", success=False)
    reporter.start_job("job_1", 8)
    assert server.types == ["job_started", "job_failed", "job_started"]
    assert reporter.active_jobs["job_1"]["photo_id"] == 8
    assert "job_1" in reporter.get_active_jobs()


WRONG: list[tuple[str, tuple[Any, ...], type[PhaselineError]]] = [
    ("update_progress", ("never", "importing", 1), UnknownJob),
    ("complete_stage", ("never", "importing"), UnknownJob),
    ("report_error", ("never", "odd", "text"), UnknownJob),
    ("send_photo_info", ("never", {}), UnknownJob),
    ("complete_job", ("never",), UnknownJob),
    ("start_job", ("job_1",), IllegalEvent),
    ("start_job", ("",), InvalidField),
    ("start_job", ("two\nlines",), InvalidField),
    ("start_job", ("x", 7, [1]), InvalidField),
    ("update_progress", ("job_1", "importing", 100.1), InvalidField),
    ("update_progress", ("job_1", "importing", -1), InvalidField),
    ("update_progress", ("job_1", "importing", NAN), InvalidField),
    ("update_progress", ("job_1", "importing", "half"), InvalidField),
    ("update_progress", ("job_1", "importing", True), InvalidField),
    ("update_progress", ("job_1", "developing", 1), InvalidField),
    ("update_progress", ("job_1", None, 1), InvalidField),
    ("update_progress", ("job_1", "importing", 1, "", [1]), InvalidField),
    ("complete_stage", ("job_1", "developing"), InvalidField),
    ("report_error", ("job_1", "", "text"), InvalidField),
    ("report_error", ("job_1", "odd", "text", None, "developing"), InvalidField),
    ("send_photo_info", ("job_1", "no dict"), InvalidField),
]


@pytest.mark.parametrize(("call", "arguments", "error"), WRONG)
def test_invalid_calls_are_ignored(
    reporter: ProgressReporter,
    server: Server,
    caplog: pytest.LogCaptureFixture,
    call: str,
    arguments: tuple[Any, ...],
    error: type[PhaselineError],
) -> None:
    before = json.dumps(reporter.active_jobs)
    getattr(reporter, call)(*arguments)
    getattr(reporter, call)(*arguments)
    assert json.dumps(reporter.active_jobs) == before
    assert server.types == ["job_started"]
    [record] = caplog.records
    assert record.message.startswith(f"{call}({arguments[0]!a}) is ignored: ")
    strict = ProgressReporter(server, strict=True)
    strict.start_job("job_1")
    with pytest.raises(error):
        getattr(strict, call)(*arguments)


def test_a_job_ends_even_with_an_invalid_result(
    reporter: ProgressReporter, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.complete_job("job_1", result={"large": "x" * 70_000})
    assert server.types == ["job_started", "job_completed"]
    assert "could not be reported" in server.sent[-1][1]["result"]["note"]
    assert reporter.active_jobs["job_1"]["success"] is True
    assert len(caplog.records) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_an_exception_of_the_server_only_reaches_a_strict_worker(
    strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def broadcast(self, message: dict[str, Any], channel: str) -> None:
            raise OSError(f"no way to {channel} with {message['type']}")

    reporter = ProgressReporter(Broken(), strict=strict)
    if strict:
        with pytest.raises(OSError, match="no way to jobs with job_started"):
            reporter.start_job("job_1")
    else:
        reporter.start_job("job_1")
        reporter.update_progress("job_1", "importing", 1)
        [record] = caplog.records
        assert "no way to jobs" in record.message
    assert set(reporter.get_active_jobs()) == {"job_1"}


def test_without_a_server_it_works_the_same(reporter: ProgressReporter) -> None:
    alone = ProgressReporter(None)
    for each in (reporter, alone):
        if each is alone:
            each.start_job("job_1", 7, {"file_name": "a.jpg"})
        each.update_progress("job_1", "importing", 5.0)
        each.complete_stage("job_1", "importing", {})
    ours, theirs = alone.get_job_status("job_1"), reporter.get_job_status("job_1")
    assert ours is not None
    assert theirs is not None
    for status in (ours, theirs):
        status["elapsed_seconds"] = 0
        status["stages_completed"][0]["completed_at"] = "now"
    assert ours == theirs


def test_the_global_reporter_is_the_created_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_reporter", None)
    implied = module.get_progress_reporter()
    assert implied.websocket_server is get_websocket_server()
    assert module.get_progress_reporter() is implied
    made = module.init_progress_reporter(None)
    assert made is not implied
    assert module.get_progress_reporter() is made
    assert made.websocket_server is None
