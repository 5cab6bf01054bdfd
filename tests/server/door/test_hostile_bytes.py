"""Hostile bytes sent to a real server in a separate process: the next client is served, and memory does not grow."""

import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.hostile_bytes import GET, HOSTILE, OPEN, POLITE, POST
from tests.support.servers import SERVER, environment

GROWTH = 2 * 2**20
FRESH = GET + b"Connection: close\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


class Victim:
    """The server."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process = process
        host, _, port = url.removeprefix("http://").partition(":")
        self.address = (host, int(port))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)

    def send(self, data: bytes, *, abruptly: bool = False) -> bytes:
        """Send `data` and the end, and return what comes back until the server's; or leave by a reset."""
        received = bytearray()
        with self.connect() as client, suppress(ConnectionError):
            if abruptly:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.settimeout(0.2)
                with suppress(TimeoutError):
                    client.sendall(data)
                return b""
            client.setblocking(False)
            rest = memoryview(data)
            while True:
                # Both at once: the server stops reading from a client that only sends.
                client.settimeout(60 if not rest else 0.001)
                try:
                    piece = client.recv(65_536)
                    if not piece:
                        break
                    received += piece
                except (TimeoutError, BlockingIOError):
                    if not rest:
                        raise
                if rest:
                    client.settimeout(0.001)
                    with suppress(TimeoutError):
                        rest = rest[client.send(rest) :]
                    if not rest:
                        client.shutdown(socket.SHUT_WR)
        return bytes(received)

    def ask(self, request: bytes) -> bytes:
        """Return the answer to a valid request, which must succeed."""
        with self.connect() as client:
            client.sendall(request)
            answer = b"".join(iter(lambda: client.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        return answer

    def assert_well(self) -> None:
        assert self.process.poll() is None
        self.ask(FRESH)

    def accepted(self) -> int:
        """Return the number of accepted connections."""
        figures = self.ask(FRESH.replace(b"/health", b"/metrics"))
        found = re.search(rb"^phaseline_connections_accepted_total ([0-9.e+]+)$", figures, re.MULTILINE)
        assert found
        return int(float(found[1]))

    def memory(self) -> int:
        """Return its private memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    data = tmp_path_factory.mktemp("victim")
    with (data / "log").open("w") as log:
        command = [*SERVER, "--bind", "127.0.0.1:0", "--data-dir", str(data), "--log-format", "text"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
            assert process.stderr is not None
            try:
                url = next(line for line in process.stderr if line.startswith("listening on ")).split()[-1]
                yield Victim(process, url)
            finally:
                process.terminate()
                try:
                    output = process.communicate(timeout=60)[1]
                finally:
                    process.kill()  # so that one that does not end is not waited for
                log.write(output)
        assert "Traceback" not in output
        assert process.returncode == 0


@pytest.mark.slow
def test_hostile_bytes_affect_no_other_client_and_leak_no_memory(victim: Victim) -> None:
    for data in POLITE:
        victim.send(data)
    for data in HOSTILE.values():  # once before, so that all modules are loaded and all buffers have grown
        victim.send(data)
    grown = GROWTH + 1
    for _ in range(3):  # a leak grows in each round; a random need for more memory, in one
        before = victim.memory()
        for name, data in HOSTILE.items():
            answer = victim.send(data)
            assert b"HTTP/1.1 500" not in answer, name
            assert b"/smuggled" not in answer, name  # a request within another's body
            victim.send(data, abruptly=True)
            victim.assert_well()
        grown = victim.memory() - before
        print(f"{len(HOSTILE)} pieces, {grown / 1024:.0f} KiB")
        if grown <= GROWTH:
            break
    assert grown <= GROWTH


spoiled = st.builds(
    lambda whole, at, put, cut: whole[: at % len(whole)] + put + whole[at % len(whole) + cut :],
    st.sampled_from([*POLITE, OPEN, POST]),
    st.integers(0, 10_000),
    st.binary(max_size=40),
    st.integers(0, 40),
)


@settings(
    max_examples=examples(150),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=spoiled | st.binary(max_size=300) | st.binary(max_size=300).map(lambda noise: OPEN + noise))
def test_random_bytes_affect_no_other_client(victim: Victim, data: bytes) -> None:
    assert b"HTTP/1.1 500" not in victim.send(data)
    victim.assert_well()


@pytest.mark.parametrize("attack", ["slow head", "slow body", "slow read"])
@pytest.mark.slow
def test_hundreds_of_slow_clients_do_not_block_others(victim: Victim, attack: str) -> None:
    """Like slowhttptest: 500 connections that send or read almost nothing."""
    output = {
        "slow head": GET + b"X-a: b\r\n",
        "slow body": POST + b"Content-Length: 8192\r\n\r\n{",
        "slow read": (b"GET /page/store.js HTTP/1.1\r\nHost: localhost\r\n\r\n") * 40,
    }[attack]
    with ExitStack() as crowd:
        clients = []
        for _ in range(500):
            client = crowd.enter_context(socket.socket())
            if attack == "slow read":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.connect(victim.address)
            client.sendall(output)
            clients.append(client)
        for _ in range(3):
            for client in clients:
                with suppress(OSError):
                    client.send({"slow head": b"X-a: b\r\n", "slow body": b" "}.get(attack, b"\r\n"))
            victim.assert_well()
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    victim.assert_well()


@pytest.mark.slow
@pytest.mark.needs("slowhttptest")
@pytest.mark.parametrize(
    ("attack", "path"),
    [
        ("-H -i 1", "/health"),
        ("-B -i 1 -s 8192 -f application/json", "/progress/report"),
        ("-X -k 10 -n 1", "/page/store.js"),
    ],
    ids=["slow head", "slow body", "slow read"],
)
def test_slowhttptest_reports_the_service_as_available(victim: Victim, attack: str, path: str) -> None:
    host, port = victim.address
    command = [
        "slowhttptest",
        *attack.split(),
        *["-c", "500", "-r", "500", "-l", "6", "-u"],
        f"http://{host}:{port}{path}",
    ]
    before = victim.accepted()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
        asked = 0
        while attacker.poll() is None:
            victim.assert_well()
            asked += 1
            time.sleep(0.1)
        assert attacker.stdout is not None
        output = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", attacker.stdout.read())
    assert asked > 1
    # Its own figures are samples, every five seconds.
    assert victim.accepted() - before - asked > 100
    assert set(re.findall(r"service available: +(\w+)", output)) == {"YES"}
