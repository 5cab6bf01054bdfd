"""`make demo` through a pipe and in a terminal (a real tmux)."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.support.servers import ROOT, environment

DEMO = [sys.executable, str(ROOT / "examples" / "demo.py")]
WORK = ["setup", "base_prompts", "enhance_prompt", "image_prep", "image_wait", "image_download", "annotate"]
LINE = re.compile(r" *[\d.]+ s  (\S+(?: \(\w\))?) +\d/8 (\w+) ")


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which this interpreter's directory has both programs, also if they are not installed.

    Its time zone is one where it is noon: if a day ended meanwhile, jobs would be missing from the day's counts. Its
    pictures are small, because painting would take most of the tests' time.
    """
    home = {name: str(tmp_path / "home") for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}  # not the user's own filter
    return environment(TZ=f"NOON{time.gmtime().tm_hour - 12:+d}", PICTURE_SIZE="128x128", **home)


def processes_of(directory: Path) -> list[str]:
    """Return the command lines of all processes that work in `directory` or name it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = str((entry / "cwd").readlink()) if entry.name.isdecimal() else ""
        except OSError:
            continue
        if entry.name.isdecimal() and int(entry.name) != os.getpid() and str(directory) in f"{command} {place}":
            found.append(command)
    return found


@pytest.mark.slow
@pytest.mark.needs("make")
def test_through_a_pipe_the_demo_prints_each_change_of_phase_and_the_folder_of_the_pictures(
    tmp_path: Path, programs: dict[str, str]
) -> None:
    done = subprocess.run(
        ["make", "--silent", "-C", str(ROOT), "-o", ".venv/.installed", "demo", f"ARGS={tmp_path}"],
        env=programs,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    reported = [match.groups() for line in lines if (match := LINE.match(line))]
    photos = {name for name, _ in reported if name.startswith("IMG_")}
    assert len(photos) == 5
    assert sum(phase == "exporting" for name, phase in reported if name in photos) == 4
    assert sum("FAILED: IMG_005.jpg can't be processed" in line for line in lines) == 1
    assert len(list((tmp_path / "exported").glob("*.jpg"))) == 4
    runs = {name for name, _ in reported} - photos
    assert {name.partition("/")[0] for name in runs} == {"brisk", "patient", "faraway"}
    for name in runs:
        phases = [phase for other, phase in reported if other == name]
        if not name.startswith("faraway"):
            whole = [phase for phase in phases if phase != "completed"]
            assert whole in (WORK, []), name
        assert len(phases) == len(set(phases)), f"{name} reported a phase twice"
        assert phases[-1] == "completed"
    assert sum("FAILED, as expected" in line for line in lines) == 1
    assert sum("already stored" in line for line in lines) == 1
    assert len(list((tmp_path / "output").glob("*/annotated/*.png"))) == 5
    # The first round is named, and gives the main one its estimates.
    assert lines[0].startswith("First, two photos ")
    assert any("brisk" in line and " s left" in line for line in lines)
    *_, place, _, start, run, watch = lines
    assert str(tmp_path / "output") in place
    assert start.endswith("progress-server")
    assert "phaseline run -- tar " in run
    assert watch.endswith("progress-tui")
    assert processes_of(tmp_path) == []


def put_photos(directory: Path) -> None:
    """Put plain photos where the demo would paint its own, which takes most of its time."""
    for folder in ("first round", "photos"):
        (directory / folder).mkdir(parents=True)
        for number in (1, 2) if folder == "first round" else (1, 2, 3, 4):
            Image.new("RGB", (48, 32), (90, 120, 150)).save(directory / folder / f"IMG_00{number}.jpg")


@contextmanager
def painting_demo(directory: Path, programs: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run it for the length of the block, which begins once it makes pictures; then kill its remaining processes."""
    command = [*DEMO, str(directory)]
    put_photos(directory)
    with subprocess.Popen(command, env=programs, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        try:
            assert demo.stdout is not None
            assert any("image_wait" in line for line in demo.stdout)
            yield demo
        finally:
            with suppress(ProcessLookupError):
                os.killpg(demo.pid, signal.SIGKILL)


@pytest.mark.slow
def test_the_demo_reports_a_dead_server_and_fails(tmp_path: Path, programs: dict[str, str]) -> None:
    with painting_demo(tmp_path, programs) as demo:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_text()
            except OSError:
                continue
            if str(tmp_path) in command and "--data-dir" in command:
                os.kill(int(process.name), signal.SIGKILL)
        assert demo.stdout is not None
        rest = demo.stdout.read()
        assert demo.wait(timeout=60) == 1
    assert rest.splitlines()[-1].startswith("demo: ")
    assert processes_of(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_leaves_no_process_when_a_signal_ends_it(
    tmp_path: Path, programs: dict[str, str], number: signal.Signals
) -> None:
    with painting_demo(tmp_path, programs) as demo:
        demo.send_signal(number)
        assert demo.stdout is not None
        demo.stdout.read()
        assert demo.wait(timeout=60) == 130
    assert processes_of(tmp_path) == []


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """Return the beginning of a tmux command on a separate server, which ends with the test."""
    command = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    yield command
    subprocess.run([*command, "kill-server"], check=False, capture_output=True)


def wait_for(tmux: list[str], *texts: str) -> str:
    """Return the screen once it shows each of `texts`."""
    screen = ""
    for _ in range(6000):  # a guard against hanging, not a measure
        screen = subprocess.run([*tmux, "capture-pane", "-p"], check=False, capture_output=True, text=True).stdout
        if all(text in screen for text in texts):
            return screen
        time.sleep(0.1)
    raise AssertionError(f"{texts} never came:\n{screen}")


@pytest.mark.slow
@pytest.mark.needs("tmux")
def test_on_a_terminal_the_tui_opens_on_it_and_q_ends_all(
    tmp_path: Path, programs: dict[str, str], tmux: list[str]
) -> None:
    data = tmp_path / "data"
    put_photos(data)
    inner = " ".join([*DEMO, str(data)])
    shell = f"{inner}; echo ended with $?; exec cat"
    subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "40", shell], check=True, env=programs)
    screen = wait_for(tmux, "12 done", "2 failed")  # one picture twice, because it is requested again
    assert "brisk" in screen
    assert "patient" in screen
    subprocess.run([*tmux, "send-keys", "q"], check=True)
    screen = wait_for(tmux, "ended with")
    assert "ended with 0" in screen
    assert str(data / "output") in screen.replace("\n", "")
    # tmux itself has the demo's command among its arguments.
    assert [command for command in processes_of(data) if "python" in command.partition(" ")[0]] == []
