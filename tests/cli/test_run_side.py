"""Ways for a command to report beside its output: `PROGRESS_FD`, `PROGRESS_JOB`, and an injected channel."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline_cli.run.adapter import load
from phaseline_cli.run.inject import Side, injected
from phaseline_cli.run.progress import Progress
from phaseline_cli.run.reader import Reader
from phaseline_cli.run.side import SideChannel
from tests.cli.test_run_output import output
from tests.cli.test_run_reports import folder, jobs, run
from tests.support.servers import server_process

TELLS = """
import json, os
with open(int(os.environ["PROGRESS_FD"]), "w") as side:
    for phase in ("load", "render"):
        for done in range(5):
            print(json.dumps({"phase": phase, "done": done, "total": 4, "unit": "tiles", "message": "a"}), file=side)
print("50% of nothing")
"""


def ends(found: dict[str, dict[str, Any]]) -> set[str]:
    return {job_id for job_id, job in found.items() if job["state"] != "active"}


async def ended(phaseline: str, env: dict[str, str], url: str, *names: str) -> dict[str, dict[str, Any]]:
    """Return all jobs once these jobs have ended."""
    with trio.fail_after(60):
        while not ends(found := await jobs(url)) >= set(names):
            await run(phaseline, env, "--", "true")
    return found


async def result(command: list[str], env: dict[str, str]) -> tuple[int, bytes, bytes]:
    done = await trio.run_process(command, env=env, capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
async def test_a_program_reports_through_its_descriptor(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    shell = """printf '{"phase": "upload", "progress": 40}\\n' >&$PROGRESS_FD"""
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        assert await run(phaseline, env, "--id", "python", "--", sys.executable, "-c", TELLS) == 0
        assert await run(phaseline, env, "--id", "shell", "--", "sh", "-c", shell) == 0
        found = await ended(phaseline, env, server.url, "python", "shell")
        with trio.fail_after(60):
            while (await output(server.url, "python")).text != "50% of nothing\n":
                await run(phaseline, env, "--", "true")
    assert [stage["name"] for stage in found["python"]["stages"]] == ["load", "render"]
    assert [stage["name"] for stage in found["shell"]["stages"]] == ["upload"]


@pytest.mark.slow
async def test_a_run_inside_of_a_job_is_a_phase_of_it(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    script = (
        f"{phaseline} run -- {sys.executable} -c 'import time; time.sleep(2)'; "
        f"{phaseline} run --name upload -- sh -c 'echo Error: no route; exit 3'; "
        f"{phaseline} run --new-job --id own -- true; echo $PROGRESS_JOB"
    )
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        done = await trio.run_process(
            [phaseline, "run", "--id", "outer", "--", "sh", "-c", script], env=env, capture_stdout=True
        )
        assert done.stdout.endswith(b"outer\n")
        found = await ended(phaseline, env, server.url, "outer", "own")
    assert {job for job in found if not job.startswith("true-")} == {"outer", "own"}
    stages = [stage["name"] for stage in found["outer"]["stages"]]
    assert [Path(sys.executable).name, "upload"] == [
        name for name in stages if name in {Path(sys.executable).name, "upload"}
    ]
    assert [error["error_message"] for error in found["outer"]["errors"]] == ["upload: Error: no route"]


@pytest.mark.slow
@pytest.mark.needs("ffmpeg")
async def test_injection_changes_neither_streams_nor_files_nor_the_exit_code_of_ffmpeg(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    source = ["-f", "lavfi", "-i", "testsrc=duration=4:size=320x240:rate=25", "-t", "4"]
    encode = ["ffmpeg", "-loglevel", "error", "-nostdin", "-y", *source, "-bitexact", "-threads", "1", "-c:v", "mpeg4"]
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        seen = {}
        for name, wrapped in (
            ("plain", []),
            ("with", [phaseline, "run", "--id", "with", "--"]),
            ("without", [phaseline, "run", "--id", "without", "--no-inject", "--"]),
        ):
            file = tmp_path / f"{name}.avi"
            seen[name] = (*await result([*wrapped, *encode, str(file)], env), file.read_bytes())
        assert seen["with"] == seen["without"] == seen["plain"]
        bad = [*encode[:-1], "no-such-codec", str(tmp_path / "bad.avi")]
        assert await result([phaseline, "run", "--", *bad], env) == await result(bad, env)
        found = await ended(phaseline, env, server.url, "with", "without")
    assert [stage["name"] for stage in found["with"]["stages"]] == ["encode"]
    assert found["with"]["total"] == 4
    assert found["without"]["total"] is None


APT = """
set -e; cd "$1"; rm -rf root; cp -a base root; shift
exec "$@" apt-get -o Dir="$PWD/root" -o Dir::State::status="$PWD/root/var/lib/dpkg/status" \
  -o Dir::Bin::dpkg=/usr/bin/dpkg \
  -o Dir::Bin::methods=/usr/lib/apt/methods -o Dpkg::Options::=--root="$PWD/root" -o Dpkg::Options::=--log=/dev/null \
  -o APT::Sandbox::User=root -o Debug::NoLocking=1 install -y ./some.deb
"""


@pytest.mark.needs("apt-get", "dpkg-deb")
@pytest.mark.skipif(os.geteuid() != 0, reason="dpkg needs root, also for a folder of its own")
@pytest.mark.slow
async def test_injection_changes_neither_streams_nor_files_nor_the_exit_code_of_apt(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    control = tmp_path / "some" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: some\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: some\n")
    await result(["dpkg-deb", "--build", str(tmp_path / "some"), str(tmp_path / "some.deb")], env)
    base = tmp_path / "base"
    for name in (
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "var/cache/apt/archives/partial",
        "etc/apt/sources.list.d",
    ):
        (base / name).mkdir(parents=True)
    for name in ("var/lib/apt/lists/partial", "var/log/apt", "tmp", "etc/apt/preferences.d", "var/lib/dpkg/triggers"):
        (base / name).mkdir(parents=True)
    for name in ("etc/apt/sources.list", "var/lib/dpkg/status"):
        (base / name).touch()
    seen = []
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        for wrapped in (
            [],
            [phaseline, "run", "--id", "with", "--"],
            [phaseline, "run", "--no-inject", "--id", "no", "--"],
        ):
            done = await result(["sh", "-c", APT, "sh", str(tmp_path), *wrapped], env)
            history = (tmp_path / "root/var/log/apt/history.log").read_text()
            seen.append((done, [line for line in history.splitlines() if "-Date" not in line]))
        found = await ended(phaseline, env, server.url, "with", "no")
    assert seen[0][0][0] == 0, seen[0]
    assert seen[0] == seen[1] == seen[2]
    assert [stage["name"] for stage in found["with"]["stages"]] == ["read lists", "download", "install"]
    assert found["with"]["message"].startswith("Installed some (")
    assert found["no"]["message"] == "some"


@pytest.mark.parametrize("channel_first", [False, True])
def test_the_text_of_a_channel_is_used_in_any_order_of_the_streams(channel_first: bool) -> None:
    reader = Reader(load(), ["apt-get", "install", "some"])
    streams = [("stdout", b"Setting up some (1) ...\n"), ("side", b"pmstatus:some:90.0:Installed some (all)\n")]
    for stream, data in reversed(streams) if channel_first else streams:
        list(reader.feed(0.1, stream, data))
    list(reader.quiet(1.0))
    assert (reader.progress.now.phase, reader.progress.now.text) == ("install", "Installed some (all)")
    list(reader.feed(2.0, "stdout", b"Get:1 file:/more ./ more 1 [9 B]\n"))
    assert (reader.progress.now.phase, reader.progress.now.text) == ("download", "")


def test_the_head_of_ffmpeg_names_its_phase_if_the_channel_is_read_first() -> None:
    reader = Reader(load(), ["ffmpeg", "-f", "lavfi", "-i", "testsrc2", "-t", "8", "out.avi"])
    list(reader.feed(0.1, "side", b"out_time_us=0\nprogress=continue\n"))
    assert reader.progress.now.phase is None
    head = b"Input #0, lavfi, from 'testsrc2':\n  Duration: N/A, start: 0.000000\nOutput #0, avi, to 'out.avi':\n"
    list(reader.feed(0.1, "stderr", head))
    list(reader.feed(0.6, "side", b"out_time_us=2000000\nprogress=continue\n"))
    assert reader.progress.phases == ["convert"]
    assert reader.progress.now.fraction == 0.25


def test_output_of_ffmpeg_beside_a_channel_is_ignored() -> None:
    reader = Reader(load(), ["ffmpeg", "-i", "a.mov", "b.mp4"])
    head = b"Input #0, mov, from 'a.mov':\n  Duration: 00:00:08.00, start: 0.000000\nOutput #0, mp4, to 'b.mp4':\n"
    readings = list(reader.feed(0.1, "stderr", head))
    for frame in (1, 50, 100):
        block = b"frame=%d\nout_time_us=%d\nprogress=continue\n" % (frame, frame * 40_000)
        readings += reader.feed(frame / 25, "side", block)
        status = b"frame=%5d fps=25 q=28.0 size=1kB time=00:00:%05.2f bitrate=1 speed=1x\r" % (frame, frame / 25)
        readings += reader.feed(frame / 25 + 0.01, "stderr", status)
    readings += reader.quiet(9.0)
    changes = [(reading.done, reading.text) for _, reading in readings if reading.done is not None]
    assert changes == [(0.04, "frame 1"), (2.0, "frame 50"), (4.0, "frame 100")]


def test_ffmpeg_without_a_head_has_progress_from_the_second_block() -> None:
    reader = Reader(load(), ["ffmpeg", "-v", "quiet", "-i", "a.mov", "-t", "8", "out.avi"])
    for at in (0, 2, 4):
        list(reader.feed(float(at), "side", b"out_time_us=%d\nprogress=continue\n" % (at * 1_000_000)))
    assert (reader.progress.phases, reader.progress.now.fraction) == (["encode"], 0.5)


def test_only_commands_that_make_something_get_arguments() -> None:
    side = Side(3, 4, 9)
    assert injected(["/usr/bin/ffmpeg", "-i", "a", "b"], {}, side)[0] == [
        "/usr/bin/ffmpeg",
        "-progress",
        "pipe:9",
        "-i",
        "a",
        "b",
    ]
    for same in (
        ["ffmpeg", "-version"],
        ["ffmpeg", "-progress", "-", "-i", "a", "b"],
        ["ffprobe", "-i", "a"],
        ["x/../y"],
        ["cp", "a"],
    ):
        assert injected(same, {}, side) == (same, {})


def test_lines_without_progress_are_ignored() -> None:
    progress = Progress()
    side = SideChannel(progress)
    lines = [
        b'{"progress": 1e999}',
        b'{"progress": true, "done": "x"}',
        b"[1]",
        b"{",
        b'{"phase": 7}',
        b'{"message": "a\\u001b[31m"}',
    ]
    data = b"\n".join([*lines, b"out_time_us=4", b'{"progr'])
    assert [line for line in side.lines(data) if not side.take(line)] == ["[1]", "out_time_us=4"]
    assert progress.now.fraction is None
    assert progress.now.text == "a[31m"
    assert all(map(side.take, side.lines(b'ess": 42.5}\n')))
    assert progress.now.fraction == 0.425
