"""The contract's Python examples, run as printed against a real server."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.support.message_fields import COMMON, OWN, START
from tests.support.reporting import Subscriber, job_status, run_program, subscriber, ws_url
from tests.support.servers import ServerProcess, server_process

EXAMPLES = Path(__file__).parents[1] / "data" / "photo_examples.md"
TITLES = (
    "Initialize Progress Reporter",
    "Start Tracking a Job",
    "Update Progress",
    "Complete a Stage",
    "Report Errors",
    "Send Photo Information",
    "Complete Job",
    "Get Job Status",
    "Get All Active Jobs",
)
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def blocks() -> dict[str, str]:
    found = re.findall(r"^## ([^\n]+)\n\n```python\n(.*?)```", EXAMPLES.read_text(), re.DOTALL | re.MULTILINE)
    assert tuple(title for title, _ in found) == TITLES
    return dict(found)


def program(*without: str) -> str:
    return "\n".join(code for title, code in blocks().items() if title not in without)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_process(tmp_path) as running:
        yield running


@pytest.fixture
async def watching(server: ServerProcess) -> AsyncIterator[Subscriber]:
    async with subscriber(server.url, "jobs", "photos") as found:
        yield found


@pytest.mark.slow
async def test_every_example_in_order_works_as_printed(server: ServerProcess, watching: Subscriber) -> None:
    done = await run_program(program(), env={"PROGRESS_URL": ws_url(server.url)})
    assert re.fullmatch(
        r"Job job_12345:\n  Stage: completed\n  Progress: 100\.0%\n  Elapsed: \d+(\.\d+)?s\n", done.stdout.decode()
    )
    # It ends the job twice, completed and then failed. The second end is logged, and changes nothing.
    [line] = done.stderr.decode().splitlines()
    assert "complete_job('job_12345') is ignored" in line
    assert "completed already" in line

    await watching.until_type("job_completed")
    status = await job_status(server.url, "job_12345")
    assert status["state"] == "completed"
    assert status["success"] is True
    assert status["photo_id"] == 456
    assert status["photo_info"].items() >= {"file_name": "IMG_001.CR3", "file_size": 25600000}.items()
    assert status["photo_info"]["context"] == "portrait_backlit"
    assert [each["stage"] for each in status["stages_completed"]] == ["exif_analysis"]
    assert status["result"] == {
        "preset_applied": "WhiteLayer_Transparency_v4",
        "blend_amount": 60,
        "stages_completed": 8,
    }
    [error] = status["errors"]
    assert error["error_message"] == "Invalid exposure value"
    assert error["stage"] == "applying_preset"


@pytest.mark.slow
async def test_the_messages_have_exactly_the_contracts_fields_first(
    server: ServerProcess, watching: Subscriber
) -> None:
    await run_program(program(), env={"PROGRESS_URL": ws_url(server.url)})
    messages = await watching.until_type("job_completed")
    assert [(message["type"], sorted(set(message) - set(COMMON))) for message in messages] == [
        (kind, sorted(("type", "job_id", "photo_id", "timestamp", *OWN[kind], *extra)))
        for kind, extra in (
            ("job_started", START),
            ("job_progress", ["stage_elapsed_seconds"]),
            ("stage_completed", ["skipped", "stage_seconds", "average_seconds"]),
            ("error_occurred", []),
            ("photo_info", []),
            ("job_completed", []),
        )
    ]
    assert all(TIMESTAMP.fullmatch(message["timestamp"]) for message in messages)
    assert all(message["photo_id"] == 456 for message in messages)
    started, progress, *_ = messages
    assert started["host"]
    assert progress["stage"] == "exif_analysis"
    assert progress["progress"] == 25.0
    assert progress["message"] == "Analyzing camera settings..."
    assert progress["details"] == {"camera": "Canon EOS R5", "iso": 800}


@pytest.mark.slow
async def test_an_active_job_looks_as_in_the_examples(server: ServerProcess, watching: Subscriber) -> None:
    code = program("Complete Job", "Get Job Status")
    done = await run_program(code, env={"PROGRESS_URL": ws_url(server.url)})
    assert done.stdout.decode() == "job_12345: 25.0% - exif_analysis\n"
    await watching.until_type("photo_info")
    status = await job_status(server.url, "job_12345")
    assert (status["state"], status["current_stage"], status["workflow"]) == ("active", "exif_analysis", "photo")


@pytest.mark.slow
async def test_a_job_that_only_reports_its_failure_fails(server: ServerProcess, watching: Subscriber) -> None:
    well = blocks()["Complete Job"].partition("# Or complete with failure")[0]
    done = await run_program(program().replace(well, ""), env={"PROGRESS_URL": ws_url(server.url)})
    assert b"Stage: failed\n" in done.stdout
    assert done.stderr == b""
    [message] = [m for m in await watching.until_type("job_failed") if m["type"] == "job_failed"]
    assert (message["success"], message["result"], message["state"]) == (False, {"error": "File not found"}, "failed")


async def test_without_a_server_the_calls_work_and_log_it(server: ServerProcess) -> None:
    await trio.to_thread.run_sync(server.process.kill)
    await server.process.wait()
    done = await run_program(program(), env={"PROGRESS_URL": ws_url(server.url)})
    assert b"Stage: completed\n  Progress: 100.0%\n" in done.stdout
    assert b"no connection to" in done.stderr
    assert b"the next run that reports to this server delivers them" in done.stderr
