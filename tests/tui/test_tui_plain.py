"""The plain-text output, for pipes and screen readers."""

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from phaseline.errors import ConfigError
from phaseline_tui.cli.plain import PlainReport
from phaseline_tui.cli.plain_news import Inbox, Listed
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus, Reply
from phaseline_tui.model.servers import read_group
from phaseline_tui.user.settings import Settings, read_settings
from tests.support.tui_jobs import FixedClock, connected, frame, many_jobs, odd_jobs, photo_job
from tests.support.tui_screen import ENVIRONMENT, PROGRAM
from tests.support.tui_server import PlayedServer

CLOCK = FixedClock()
SCENE = Scene(CLOCK.monotonic(), CLOCK.wall(), CLOCK.local)


def report() -> PlainReport:
    return PlainReport(["box"], Settings())


def test_the_first_lines_show_the_counts_and_the_active_jobs() -> None:
    lines = report().apply([connected(many_jobs())], SCENE)
    assert lines[:2] == [
        "18:38:02 connected (box)",
        "18:38:02 25 jobs known: 6 active, 1 stalled, 14 done, 2 failed, 1 cancelled, 1 lost",
    ]
    assert "18:38:02 IMG_0044.CR3: stalled in exporting at 85%, silent for 31s" in lines
    assert any("phase 5 of 8, image_wait, 67%, done at 18:38, in 10s (6–14s), layer 7 of 9" in line for line in lines)
    assert len(lines) == 9


def test_each_change_is_a_line_except_small_steps() -> None:
    report_ = report()
    report_.apply([connected([photo_job("job_1", "IMG_1.CR3", 2, progress=10.0)])], SCENE)

    def say(**fields: object) -> list[str]:
        return report_.apply([Batch((frame({"job_id": "job_1", **fields}),), 1000.0)], SCENE)

    progress = {"type": "job_progress", "stage": "exif_analysis", "stage_index": 2}
    assert say(**progress, seq=8, percent=6.5) == []
    (line,) = say(**progress, seq=9, percent=31.0)
    assert "IMG_1.CR3: phase 2 of 8, exif_analysis, 31%" in line
    (line,) = say(type="job_progress", seq=10, stage="ai_evaluation", stage_index=3, percent=32.0)
    assert "phase 3 of 8, ai_evaluation" in line
    failed = {"type": "job_failed", "seq": 11, "state": "failed", "duration": 75.0, "result": {"error": "tilt"}}
    assert say(**failed) == ["18:38:02 IMG_1.CR3: failed after 1m 15s: tilt"]


def test_a_server_without_news_from_its_leader_is_named_once() -> None:
    report_, now = report(), SCENE.now

    def lines(lag: float) -> list[str]:
        own = {"address": "http://box:1", "role": "follower", "lagSeconds": lag, "answers": True}
        leader = {"address": "http://other:1", "role": "leader"}
        answer = {"leader": "http://other:1", "servers": [own, leader]}
        return report_.news(Listed("box", read_group(json.dumps(answer).encode(), now)), SCENE)

    assert lines(0.0) == []
    assert lines(12.0) == ["18:38:02 jobs may be out of date (box): no news from other since 18:37:50"]
    assert lines(17.0) == []
    assert lines(0.0) == ["18:38:02 jobs are up to date again (box)"]
    assert lines(0.0) == []


def test_connected_servers_are_polled_until_one_has_its_own_log() -> None:
    inbox, asked = Inbox("box", every_s=0.0), list[tuple[str, str, str]]()

    def request(*question: str) -> "Future[Reply]":
        asked.append((question[0], question[1], question[2]))
        future: Future[Reply] = Future()
        role = "mirror" if len(asked) == 1 else "single"
        answer = {"servers": [{"address": "http://box:1", "role": role, "lagSeconds": 20.0, "answers": True}]}
        future.set_result(Reply(200, json.dumps(answer).encode(), "application/json"))
        return future

    inbox.put((connected([]),))
    assert inbox.get(request) == (connected([]),)
    for role in ("mirror", "single"):
        item = inbox.get(request)
        assert isinstance(item, Listed)
        assert [server.role for server in item.group.servers] == [role]
    inbox.put(())
    assert inbox.get(request) == ()
    assert asked == [("box", "GET", "/progress/servers")] * 2


def test_lines_have_counts_and_distinguish_jobs_of_one_name() -> None:
    counted = {"done": 74, "total": 240, "unit": "frames", "rate": 3.14}
    made = [photo_job(f"job_{host}", "SC024_v07.blend", 2, progress=10.0, host=host) | counted for host in ("a", "b")]
    stalled = photo_job("job_c", "c.blend", 2, state="stalled", silent_seconds=31.0) | counted
    _, _, *lines = report().apply([connected([*made, stalled])], SCENE)
    first, *others = sorted(lines, key=lambda line: "c.blend" not in line)
    assert "c.blend: stalled in exif_analysis at 6%, 74/240 frames, silent for 31s" in first
    for host, line in zip("ab", others, strict=True):
        assert f"SC024_v07.blend ({host}): phase 2 of 8, exif_analysis, " in line
        assert ", 74/240 frames, 3.1 frames/s, done at " in line


def test_a_line_has_the_percent_of_its_remaining_time() -> None:
    job = photo_job("j", "a.jpg", 6) | {"percent": 97.0, "elapsed_seconds": 36_000.0, "eta_seconds": 33_840.0}
    lines = report().apply([connected([job])], SCENE)
    assert "about 51%, done at Tue 04:02, in 9h 24m" in lines[-1]


def test_a_long_message_is_cut() -> None:
    report_ = report()
    report_.apply([connected([photo_job("job_1", "IMG_1.CR3", 2, progress=10.0)])], SCENE)
    fields: dict[str, object] = {"type": "job_progress", "seq": 9, "stage": "exif_analysis", "stage_index": 2}
    wordy = frame({"job_id": "job_1", **fields, "percent": 31.0, "message": "x" * 9000})
    failed = frame(
        {"job_id": "job_1", "type": "job_failed", "seq": 10, "state": "failed", "result": {"error": "y" * 9000}}
    )
    lines = report_.apply([Batch((wordy,), 1000.0)], SCENE) + report_.apply([Batch((failed,), 1000.0)], SCENE)
    assert [len(line) < 500 for line in lines] == [True, True]
    assert lines[0].endswith(f"31%, {'x' * 299}…")
    assert lines[1].endswith(f": {'y' * 299}…")


def test_a_lost_connection_is_reported_once() -> None:
    report_ = report()
    report_.apply([connected([])], SCENE)
    away = Batch((), 1000.0, LinkStatus(LinkState.WAITING, "no server at box", 1000.0, 1004.0))
    again = Batch((), 1000.0, LinkStatus(LinkState.CONNECTING, "no server at box", 1000.0))
    lines = [line for batch in (away, again, away) for line in report_.apply([batch], SCENE)]
    assert lines == ["18:38:02 no connection (box): no server at box"]


def test_no_line_holds_a_control_character() -> None:
    for line in report().apply([connected(odd_jobs())], SCENE):
        assert line.isprintable()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env=ENVIRONMENT | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_once_exits_after_printing_all_jobs() -> None:
    with PlayedServer(many_jobs()) as server:
        ended = run("--once", server.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "25 jobs known" in ended.stdout


@pytest.mark.parametrize(("arguments", "environment"), [(["--ascii"], {}), ([], {"PYTHONIOENCODING": "ascii"})])
def test_without_unicode_every_line_is_ascii(arguments: list[str], environment: dict[str, str]) -> None:
    with PlayedServer(odd_jobs()) as server:
        ended = run("--once", *arguments, server.url, **environment)
    assert ended.returncode == 0
    assert ended.stdout.isascii()


def test_once_reports_that_there_is_no_server() -> None:
    ended = run("--once", "http://127.0.0.1:1")
    assert ended.returncode == 1
    assert "no server at http://127.0.0.1:1" in ended.stdout


@pytest.fixture
def heeded() -> Iterator[None]:
    """Reset SIGINT, which programs would inherit as ignored from a test run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_a_pipe_gets_lines_until_it_is_closed() -> None:
    with (
        PlayedServer([photo_job("job_1", "IMG_1.CR3", 2)]) as server,
        subprocess.Popen([*PROGRAM, server.url], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as program,
    ):
        failed = {"type": "job_failed", "job_id": "job_1", "seq": 9, "state": "failed", "result": {"error": "tilt"}}
        try:
            assert program.stdout is not None
            while "IMG_1.CR3" not in program.stdout.readline():
                pass
            server.send(failed)
            assert program.stdout.readline().endswith("tilt\n")
            program.send_signal(signal.SIGINT)
            assert program.wait(60) == 130
        finally:
            program.kill()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "colour is not a setting; allowed: servers, theme"),
        ("notify = 'loud'", 'notify is \'loud\'; allowed: "off", "bell"'),
        ("fold_after = -1", "fold_after is -1; allowed: a number of seconds from 0"),
        ("ascii = 'yes'", "ascii is 'yes'; allowed: true or false"),
        ("servers = 'box'", "servers is 'box'; allowed: a list of server URLs"),
        ("servers = [true]", "servers is [True]; allowed: a list of server URLs"),
        ("theme = true", 'theme is true; allowed: "dark"'),
        ("keys = 3", "keys is 3; allowed: a table of keys by action"),
        ("keys = {filter = 3}", "keys is {'filter': 3}; allowed: a table of keys by action"),
        ("[keys]\nfilter = 'f3,nosuch'", "keys.filter is 'f3,nosuch'; allowed: names of keys, such as f3"),
        ("[keys]\nfliter = 'x'", "keys.fliter is not an action; allowed: up"),
        ("[keys]\nfilter = ''", "keys.filter is ''; allowed: names of keys"),
        ("= 3", "is not valid TOML"),
    ],
)
def test_an_invalid_setting_is_reported(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "phaseline" / "tui.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings({"XDG_CONFIG_HOME": str(tmp_path)})
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert read_settings({"HOME": str(tmp_path)}) == Settings()
