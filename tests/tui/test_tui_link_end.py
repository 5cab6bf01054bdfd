"""Stopping the link at any moment closes connections and leaves no thread."""

import socket
import threading
from dataclasses import replace

from phaseline_tui.link import Links
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.frames import JobProgress
from tests.support.ports import free_port
from tests.support.tui_links import NEVER_AGAIN, QUICK, Recorder, following, progress
from tests.support.tui_server import PlayedServer


def test_stopping_before_starting_is_possible() -> None:
    link = Links([ServerAddress.parse("127.0.0.1:1")], Recorder().deliver)
    link.stop()
    link.stop()


def test_stopping_right_after_starting_leaves_no_thread() -> None:
    for _ in range(20):
        with following(f"http://127.0.0.1:{free_port()}"):
            pass


def test_stopping_while_connecting_leaves_no_thread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with following(f"127.0.0.1:{listener.getsockname()[1]}") as (_, recorder):
            client, _ = listener.accept()  # Connected, but the handshake is never answered.
            recorder.wait_state(LinkState.CONNECTING)
        client.close()


def test_stopping_while_waiting_leaves_no_thread() -> None:
    with following(f"http://127.0.0.1:{free_port()}", timing=NEVER_AGAIN) as (_, recorder):
        recorder.wait_state(LinkState.WAITING)


def test_stopping_while_connected_sends_a_close_frame() -> None:
    with PlayedServer() as server:
        with following(server.url):
            server.wait_subscribed()
        server.wait_gone()
        assert server.goodbyes == [1000]


def test_stopping_while_stale_leaves_no_thread() -> None:
    with (
        PlayedServer(mute=True) as server,
        following(server.url, timing=replace(QUICK, ping=0.02, stale=0.04)) as (_, recorder),
    ):
        recorder.wait_state(LinkState.STALE)


def test_stopping_while_access_is_denied_leaves_no_thread() -> None:
    with PlayedServer(status=403) as server, following(server.url) as (_, recorder):
        recorder.wait_state(LinkState.STOPPED)


def test_stopping_in_a_flood_leaves_no_thread() -> None:
    with PlayedServer() as server:
        with following(server.url) as (_, recorder):
            server.wait_subscribed()
            flood = threading.Thread(target=lambda: server.send(*(progress(n) for n in range(5000))))
            flood.start()
            recorder.wait(lambda: any(isinstance(frame, JobProgress) for frame in recorder.frames))
        flood.join()
