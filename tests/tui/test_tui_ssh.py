"""ssh:// with a real sshd: connecting, errors, reconnecting, cleaning up."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.frames import Snapshot
from tests.support.ports import free_port
from tests.support.servers import environment, progress_server
from tests.support.sshd import SSHD, SshBox, ssh_box
from tests.support.tui_jobs import photo_job
from tests.support.tui_links import QUICK, following
from tests.support.tui_server import PlayedServer

pytestmark = pytest.mark.needs(SSHD, "ssh", "ssh-keygen", "ps")

PATIENT = replace(QUICK, login=60.0)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give ssh enough time to report why a connection ended, even on a slow machine."""
    monkeypatch.setattr("phaseline_tui.link.follower._SSH_REPORT_S", 60.0)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshBox]:
    with ssh_box(tmp_path / "box") as running:
        monkeypatch.setenv("PROGRESS_SSH", running.client)
        yield running
        wait_for(lambda: running.clients() == [])


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)  # other processes can not notify us
    raise AssertionError("it did not come to pass in a minute")


def test_a_server_behind_ssh_is_followed_and_ssh_exits_with_the_link(box: SshBox) -> None:
    with PlayedServer([photo_job("job_1", "a.jpg", 1)]) as server:
        with following(box.url(server.port), timing=PATIENT) as (_, recorder):
            recorder.wait(lambda: any(isinstance(frame, Snapshot) for frame in recorder.frames))
            assert recorder.wait_state(LinkState.CONNECTED).reason == ""
            assert box.clients() != []
        server.wait_gone()
        assert server.goodbyes == [1000]
    wait_for(lambda: box.clients() == [])


def test_a_missing_server_behind_ssh_is_reported_and_connected_later(box: SshBox) -> None:
    port = free_port()
    with following(box.url(port), timing=PATIENT) as (_, recorder):
        status = recorder.wait_state(LinkState.WAITING)
        assert status.reason == f"no server at 127.0.0.1:{port} on 127.0.0.1: start one there with progress-server"
        with PlayedServer(port=port):
            recorder.wait_state(LinkState.CONNECTED)
        logins = [line for line in box.clients() if "/bin/sh" not in line]
        assert len(logins) <= 1, "one login serves every attempt"


def test_the_link_reconnects_when_sshd_returns(box: SshBox) -> None:
    with PlayedServer() as server, following(box.url(server.port), timing=PATIENT) as (_, recorder):
        recorder.wait_state(LinkState.CONNECTED)
        box.stop()
        recorder.wait_state(LinkState.WAITING)
        recorder.wait(lambda: any("check that sshd runs there" in status.reason for status in recorder.statuses))
        box.start()
        recorder.wait_state(LinkState.CONNECTED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("-o UserKnownHostsFile=/dev/null", "its host key is unknown: run `ssh -p"),
        ("-i /dev/null", "no key was accepted, and progress-tui can't ask for a password"),
        ("-o NoSuchOption=1", "~/.ssh/config has an option that ssh does not know"),
    ],
)
def test_an_ssh_prompt_is_reported_and_stops_the_link(
    box: SshBox, monkeypatch: pytest.MonkeyPatch, change: str, words: str
) -> None:
    own = f"-i {box.folder}/id"
    client = box.client.replace(own, change if change.startswith("-i") else f"{change} {own}")
    monkeypatch.setenv("PROGRESS_SSH", client)
    with following(box.url(1), timing=PATIENT) as (links, recorder):
        status = recorder.wait_state(LinkState.STOPPED)
        assert words in status.reason
        monkeypatch.setenv("PROGRESS_SSH", box.client)
        links.retry_now()
        recorder.wait(lambda: "no server at" in recorder.statuses[-1].reason)


def test_a_host_without_forwarding_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ssh_box(tmp_path / "strict", "AllowTcpForwarding no") as box:
        monkeypatch.setenv("PROGRESS_SSH", box.client)
        with following(box.url(9), timing=PATIENT) as (_, recorder):
            assert "does not allow forwarding" in recorder.wait_state(LinkState.STOPPED).reason


def test_a_missing_ssh_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRESS_SSH", "no-such-ssh -4")
    with following("ssh://box", timing=PATIENT) as (_, recorder):
        assert "no-such-ssh is not installed" in recorder.wait_state(LinkState.STOPPED).reason


def test_http_requests_use_the_same_forward(box: SshBox, tmp_path: Path) -> None:
    with (
        progress_server(tmp_path / "data") as url,
        following(box.url(int(url.rpartition(":")[2])), timing=PATIENT) as (
            links,
            recorder,
        ),
    ):
        recorder.wait_state(LinkState.CONNECTED)
        reply = links.request("127.0.0.1", "GET", "/health").result(60)
        assert (reply.status, reply.kind) == (200, "application/json")


HOLD = """
import sys, threading
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState
from phaseline_tui.link import Links
up = threading.Event()
def deliver(batches):
    if any(batch.status is not None and batch.status.state is LinkState.CONNECTED for batch in batches):
        up.set()
Links([ServerAddress.parse(sys.argv[1])], deliver).start()
up.wait()
print("connected", flush=True)
threading.Event().wait()
"""


def test_a_killed_program_leaves_no_ssh_and_no_folder(box: SshBox, tmp_path: Path) -> None:
    folders = tmp_path / "run"
    folders.mkdir()
    with PlayedServer() as server:
        env = environment(PROGRESS_SSH=box.client, XDG_RUNTIME_DIR="", TMPDIR=str(folders))
        command = [sys.executable, "-c", HOLD, box.url(server.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as program:
            try:
                assert program.stdout is not None
                assert program.stdout.readline() == "connected\n"
                assert box.clients() != []
                assert len(list(folders.iterdir())) == 1
            finally:
                program.kill()
        wait_for(lambda: box.clients() == [])
        wait_for(lambda: list(folders.iterdir()) == [])
