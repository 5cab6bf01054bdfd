"""The very file that goes into Lightroom, under Debian's lua5.1: with LuaSocket, and with a stand-in for the SDK."""

import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.ports import free_port
from tests.support.servers import ROOT, client_of, server_process

CLIENT = ROOT / "clients" / "lua"
QUICK_START = ROOT / "tests" / "data" / "quick_start.lua"
LIGHTROOM = ROOT / "tests" / "clients" / "lightroom.lua"
MODES = ["luasocket", "lightroom"]

pytestmark = pytest.mark.needs("lua5.1")


def script(mode: str, *lines: str) -> list[str]:
    """Return the command that runs `lines` with the client on the path; the tasks of Lightroom run at the end."""
    before = [f"package.path = '{CLIENT}/?.lua;' .. package.path"]
    if mode == "lightroom":
        before.append(f"dofile('{LIGHTROOM}')")
        lines = (*tuple(line.replace("RUN", "runTasks()") for line in lines), "runTasks()")
    else:
        flush = "require('WebSocketClient').flush(60)"
        lines = (*tuple(line.replace("RUN", flush) for line in lines), flush)
    return ["lua5.1", "-e", "\n".join([*before, *lines])]


async def run(command: list[str], url: str) -> str:
    """Run a script against a server, and return what it wrote to stderr."""
    done = await trio.run_process(command, env={"PROGRESS_URL": url, "PATH": "/usr/bin:/bin"}, capture_stderr=True)
    return done.stderr.decode()


async def status(url: str, job_id: str = "job_12345") -> dict[str, Any]:
    async with client_of() as client:
        answer = await client.get(f"{url}/progress/job/{job_id}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()["job_status"]
        return found


@pytest.mark.parametrize("mode", MODES)
async def test_the_quick_starts_examples_as_printed(mode: str, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        output = await run(script(mode, f"dofile('{QUICK_START}')"), server.url)
        job = await status(server.url)
    assert job["state"] == "completed"
    assert job["photo_id"] == 456
    assert job["duration"] == 15.5
    assert job["result"] == {"preset_applied": "WhiteLayer_v4"}
    assert [each["stage"] for each in job["stages_completed"]] == ["exif_analysis"]
    assert job["photo_info"]["file_name"] == "IMG_001.CR3"
    assert job["photo_info"]["exif"] == {"camera_make": "Canon", "camera_model": "EOS R5", "iso": 800}
    [error] = job["errors"]
    assert error["error_type"] == "processing_error"
    assert error["error_details"] == {"detail": "Invalid parameter value"}
    assert error["stage"] == "applying_preset"
    # The example completes its job twice; the second is rejected and printed, and does no harm.
    assert "can't accept job_failed after its end (completed)" in output


@pytest.mark.parametrize("mode", MODES)
async def test_a_restart_during_delivery_loses_no_later_report(mode: str, tmp_path: Path) -> None:
    """The script stops at two marks, at which the server is killed, and later started again at the same address."""
    gate = tmp_path / "gate"
    gate.mkdir()
    wait = "while not io.open('%s') do require('socket').sleep(0.01) end"
    bind = f"127.0.0.1:{free_port()}"
    lines = [
        "local client = require 'WebSocketClient'",
        "client.sendJobStart('job_1', 7, { file_name = 'a.cr3' })",
        "client.sendJobProgress('job_1', 'preparation', 50, 'before')",
        "RUN",
        f"io.open('{gate}/begun', 'w'):close()",
        wait % (gate / "killed"),
        "client.sendJobProgress('job_1', 'exif_analysis', 10, 'away')",
        f"io.open('{gate}/kept', 'w'):close()",
        wait % (gate / "back"),
        "client.sendJobProgress('job_1', 'finalizing', 90, 'after')",
        "client.sendJobComplete('job_1', true, { kept = true }, 3.5)",
    ]
    seen: list[str] = []

    async def until(name: str) -> None:
        while not (gate / name).exists():  # noqa: ASYNC110 - another process makes the file
            await trio.sleep(0.01)

    async def play(url: str) -> None:
        seen.append(await run(script(mode, *lines), url))

    async with trio.open_nursery() as nursery:
        async with server_process(tmp_path, bind=bind) as server:
            nursery.start_soon(play, server.url)
            await until("begun")
            assert (await status(server.url, "job_1"))["current_stage"] == "preparation"
        (gate / "killed").touch()
        await until("kept")
        async with server_process(tmp_path, bind=bind) as server:
            (gate / "back").touch()
            with trio.fail_after(60):
                while not seen:  # noqa: ASYNC110 - another process ends
                    await trio.sleep(0.01)
            job = await status(server.url, "job_1")
    assert job["state"] == "completed"
    assert job["result"] == {"kept": True}
    assert job["photo_info"] == {"file_name": "a.cr3"}
    assert "finalizing" in [each["stage"] for each in job["stages_completed"]]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
async def test_without_a_server_no_call_raises_and_the_spool_is_bounded(mode: str) -> None:
    lines = [
        "local client = require 'WebSocketClient'",
        "client.configure { url = 'http://127.0.0.1:9' }",
        "for i = 1, 3000 do client.sendJobStart('job_' .. i, i, {}) ; client.sendPhotoInfo('job_' .. i, i, {}) end",
        "assert(client.waiting() <= 4000, client.waiting())",
        "print(client.waiting())",
        "os.exit(0)",
    ]
    done = await trio.run_process(script(mode, *lines), capture_stdout=True, capture_stderr=True)
    # Starts are never dropped; all other reports are, beyond a thousand.
    assert int(done.stdout) == 3000
    assert done.stderr.decode().count("no connection to") <= 1


async def test_workers_that_begin_in_the_same_moment_lose_no_report(tmp_path: Path) -> None:
    stopped_clock = "require('socket').gettime = function() return 1000 end"
    async with server_process(tmp_path) as server:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                lines = f"require('WebSocketClient').sendJobStart('job_{number}', {number}, {{}})"
                nursery.start_soon(run, script("luasocket", stopped_clock, lines), server.url)
        assert [(await status(server.url, f"job_{number}"))["state"] for number in range(8)] == ["active"] * 8


@pytest.mark.parametrize("mode", MODES)
async def test_the_random_numbers_of_the_host_stay_as_they_were(mode: str) -> None:
    lines = [
        "math.randomseed(42); local expected = math.random(); math.randomseed(42)",
        "local client = require 'WebSocketClient'",
        "client.configure { url = 'http://127.0.0.1:9' }",
        "client.sendJobStart('job_1', 1, {})",
        "assert(math.random() == expected)",
        "os.exit(0)",
    ]
    await trio.run_process(script(mode, *lines), capture_stderr=True)


async def answer_slowly(stream: trio.SocketStream) -> None:
    """Send an answer byte by byte, each far within any time-out."""
    with suppress(trio.BrokenResourceError):
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000:
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.05)


async def answer_never(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        async for _ in stream:
            pass


@pytest.mark.parametrize("handler", [answer_slowly, answer_never])
async def test_a_server_that_does_not_answer_blocks_no_call_for_long(
    handler: Callable[[trio.SocketStream], Awaitable[None]],
) -> None:
    lines = [
        "local client, now = require 'WebSocketClient', require('socket').gettime",
        "local longest = 0",
        "local function timed(call) local began = now(); call(); longest = math.max(longest, now() - began) end",
        "timed(function() client.sendJobStart('job_1', 1, {}) end)",
        "for i = 1, 3 do timed(function() client.sendPhotoInfo('job_1', i, {}) end) end",
        "timed(function() assert(not client.flush()) end)",
        "print(longest)",
        "os.exit(0)",
    ]
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        environment = {"PROGRESS_URL": f"http://127.0.0.1:{port}", "PATH": "/usr/bin:/bin"}
        done = await trio.run_process(
            script("luasocket", *lines), env=environment, capture_stdout=True, capture_stderr=True
        )
        nursery.cancel_scope.cancel()
    # 0.4 s and what a busy machine adds; one time-out of a request is 2 s.
    assert float(done.stdout) < 1.5


@pytest.mark.parametrize("mode", MODES)
async def test_ids_and_texts_of_any_kind_are_reported(mode: str, tmp_path: Path) -> None:
    lines = [
        "local client = require 'WebSocketClient'",
        r"client.sendJobStart('caf\233', 1, { file_name = 'caf\233 \195\169.jpg' })",
        "client.sendJobStart(12345, 1, {})",
        r"client.sendJobProgress(12345, 'importing', 25, '\255')",
    ]
    async with server_process(tmp_path) as server:
        assert await run(script(mode, *lines), server.url) == ""
        assert (await status(server.url, "caf\N{REPLACEMENT CHARACTER}"))["photo_info"] == {
            "file_name": "caf\N{REPLACEMENT CHARACTER} é.jpg"
        }
        job = await status(server.url, "12345")
    assert (job["current_stage"], job["message"]) == ("importing", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize(
    ("written", "encoded"),
    [
        ("{}", "{}"),
        ("{1, 2, 3}", "[1,2,3]"),
        ("{a = {b = {true, false}}}", '{"a":{"b":[true,false]}}'),
        ("{x = 0.1, y = 1e300, z = -5}", '{"x":0.10000000000000001,"y":1.0000000000000001e+300,"z":-5}'),
        ("{n = 0/0, i = 1/0}", '{"i":null,"n":null}'),
        (
            r"'\195\169 \233 \240\159\152\128 \192\175 \237\160\128 \195'",
            '"é \ufffd 😀 \ufffd\ufffd \ufffd\ufffd\ufffd \ufffd"',
        ),
        (r"'q\"\\\n\001\127'", r'"q\"\\\n\u0001\u007f"'),
    ],
)
def test_json_is_encoded(written: str, encoded: str) -> None:
    lines = f"io.write(require('json').encode({written}))"
    done = subprocess.run(["lua5.1", "-e", lines], cwd=CLIENT, capture_output=True, text=True, check=True)
    assert done.stdout == encoded


@pytest.mark.parametrize(
    ("document", "again"),
    [
        (' { "a" : [ 1 , -2.5e3 , "x" ] } ', '{"a":[1,-2500,"x"]}'),
        (r'"\u00e9\ud83d\ude00\n"', '"é😀\\n"'),
        ("[null,true]", "[null,true]"),
    ],
)
def test_json_is_decoded(document: str, again: str) -> None:
    lines = f"local json = require('json'); io.write(json.encode(json.decode([==[{document}]==])))"
    done = subprocess.run(["lua5.1", "-e", lines], cwd=CLIENT, capture_output=True, text=True, check=True)
    assert done.stdout == again


@pytest.mark.parametrize("document", ["", "{", "[1,", '{"a" 1}', "nul", '"\\x"', '"open', "1 2", "[" * 200])
def test_invalid_json_is_rejected(document: str) -> None:
    lines = f"local value, why = require('json').decode([==[{document}]==]); assert(value == nil); io.write(why)"
    done = subprocess.run(["lua5.1", "-e", lines], cwd=CLIENT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("invalid JSON")
