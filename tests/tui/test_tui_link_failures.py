"""Servers that a link can't use: each is reported with the reason, and retried only if that may help."""

import socket
from contextlib import suppress
from dataclasses import replace

import pytest
import trio

from phaseline_tui.model.connection import LinkState, LinkStatus
from tests.support.tui_links import NEVER_AGAIN, following, lone_follower
from tests.support.tui_server import GREETING, PlayedServer


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"status": 404}, "not a Phaseline server at {url}: /ws returned HTTP 404"),
        ({"status": 200}, "not a Phaseline server at {url}: /ws returned HTTP 200"),
        ({"status": 503}, "{url} returned HTTP 503"),
        (
            {"greeting": {"type": "hello"}},
            "not a Phaseline server at {url}: its first message is not connection_established",
        ),
        ({"greeting": b"\x00"}, "not a Phaseline server at {url}: its first message is not connection_established"),
        ({"greeting": None}, "not a Phaseline server at {url}: no message"),
    ],
)
def test_a_server_that_is_not_phaseline_is_reported(behaviour: dict[str, object], words: str) -> None:
    # A silent server is waited for; for the others this is only a limit for a slow machine.
    timing = replace(NEVER_AGAIN, first_message=0.1) if words.endswith("no message") else NEVER_AGAIN
    with PlayedServer(**behaviour) as server, following(server.url, timing=timing) as (_, recorder):  # type: ignore[arg-type]
        assert recorder.wait_state(LinkState.WAITING).reason.startswith(words.format(url=server.url))


@pytest.mark.parametrize(("protocol", "who"), [(2, "progress-tui"), (0, "the server")])
def test_another_protocol_version_names_the_program_to_update_and_stops(protocol: int, who: str) -> None:
    with PlayedServer(greeting=GREETING | {"protocol": protocol}) as server, following(server.url) as (link, recorder):
        assert (
            f"uses protocol {protocol}, progress-tui uses 1; update {who}"
            in recorder.wait_state(LinkState.STOPPED).reason
        )
        link.retry_now()
        recorder.wait(lambda: [status.state for status in recorder.statuses].count(LinkState.STOPPED) == 2)


def test_denied_access_stops_the_link() -> None:
    with PlayedServer(status=403) as server, following(server.url) as (_, recorder):
        assert "denied access (HTTP 403)" in recorder.wait_state(LinkState.STOPPED).reason


async def test_a_server_without_http_is_reported() -> None:
    reasons: list[str] = []

    def on_status(status: LinkStatus) -> None:
        if status.state is LinkState.WAITING:
            reasons.append(status.reason)
            follower.end()

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    follower = lone_follower(f"127.0.0.1:{listener.socket.getsockname()[1]}", NEVER_AGAIN, on_status)
    follower._timing = replace(NEVER_AGAIN, open=0.5)  # for an answer; to connect may take longer
    with trio.fail_after(60):
        async with listener, trio.open_nursery() as nursery:
            nursery.start_soon(follower.follow)
            async with await listener.accept() as client:
                with suppress(trio.BrokenResourceError):  # it may have left by now
                    await client.send_all(b"SSH-2.0-OpenSSH_9.6\r\n")
                    while await client.receive_some():
                        pass
    [reason] = reasons
    assert reason.startswith("not a Phaseline server")


def test_a_server_that_disconnects_before_answering_is_not_waited_for() -> None:
    timing = replace(NEVER_AGAIN, open=3600.0)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        following(f"127.0.0.1:{listener.getsockname()[1]}", timing=timing) as (_, recorder),
    ):
        listener.accept()[0].close()
        assert recorder.wait_state(LinkState.WAITING).reason.endswith(
            "closed the connection: no close frame was received"
        )


def test_a_server_without_tls_is_reported() -> None:
    with PlayedServer() as server:
        url = server.url.replace("http:", "https:")
        with following(url, timing=NEVER_AGAIN) as (_, recorder):
            reason = recorder.wait_state(LinkState.WAITING).reason
            assert reason.startswith(f"TLS: 127.0.0.1:{server.port} does not use TLS")


def test_an_unknown_host_name_is_reported() -> None:
    with following("http://no-such-host.invalid", timing=NEVER_AGAIN) as (_, recorder):
        reason = recorder.wait_state(LinkState.WAITING).reason
        assert reason == "DNS: host name no-such-host.invalid not found; check the spelling and the network"
