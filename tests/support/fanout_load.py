"""The clients of the fan-out benchmark, in a separate process: sockets that only count bytes.

A line of JSON on stdin names a method of `Load` and its arguments, a line on stdout is the answer.
"""

import json
import re
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
LENGTH = re.compile(rb"content-length: (\d+)\r\n", re.IGNORECASE)
ACK = re.compile(rb'"producer_seq":(\d+),')
STAMP = re.compile(rb'"message":"(\d+)"')
_buffer = bytearray(1 << 20)
_view = memoryview(_buffer)


def masked(text: str) -> bytes:
    """Return a text frame with a mask of zeros."""
    payload = text.encode()
    head = bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else b"\x81\xfe" + struct.pack("!H", len(payload))
    return head + bytes(4) + payload


class Load:
    """All clients."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[int, socket.socket]] = {"": {}, "more": {}, "stopped": {}}
        self.port = 0
        self._report: Callable[[], str] = str

    @property
    def sockets(self) -> dict[int, socket.socket]:
        """Those of the clients that read."""
        return self.groups[""] | self.groups["more"]

    def connect(
        self, *, count: int, port: int, path: str, say: str, until: str, mqtt: bool = False, group: str = ""
    ) -> dict[str, Any]:
        """Connect more clients, all at once, and return once each has received `until`; those "stopped" then stop."""
        begun, self.port = time.monotonic(), port
        poll = select.epoll()
        waiting: dict[int, tuple[socket.socket, bytearray]] = {}
        for _ in range(count):
            each = socket.socket()
            if group == "stopped":
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
            waiting[each.fileno()] = (each, bytearray())
            poll.register(each, select.EPOLLOUT)
        # Each sends something after the answer: the kernel then acknowledges the data that this client receives in the
        # sender's time; without that, it does so in the client's time.
        hello, welcome, then = (
            (MQTT_CONNECT, MQTT_CONNECTED, MQTT_SUBSCRIBE)
            if mqtt
            else (UPGRADE.format(path=path, port=port).encode(), b"\r\n\r\n", masked(say))
        )
        while waiting:
            for number, event in poll.poll(10):
                each, received = waiting[number]
                if event & select.EPOLLOUT:
                    each.send(hello)
                    poll.modify(each, select.EPOLLIN)
                    continue
                welcomed = welcome in received
                received += each.recv(65536)
                if not welcomed and welcome in received:
                    each.send(then)  # not along with the handshake, which stock hypercorn does not survive
                if until.encode("latin-1") in received:
                    poll.unregister(each)
                    self.groups[group][number] = each
                    del waiting[number]
        return {"seconds": time.monotonic() - begun}

    def drain(self) -> dict[str, Any]:
        """Read and discard until nothing has arrived for 0.3 s."""
        quiet = time.monotonic()
        while time.monotonic() - quiet < 0.3:
            if self._sweep(self.sockets.values()):
                quiet = time.monotonic()
            time.sleep(0.02)
        return {}

    def _sweep(self, sockets: Any) -> int:
        total = 0
        for each in sockets:
            try:
                total += each.recv_into(_buffer)
            except BlockingIOError:
                continue
        return total

    def count(self, *, each: int) -> dict[str, Any]:
        """Wait until every client has received this many more bytes; return the time, and our share of a core."""
        poll, left, sockets = select.epoll(), dict.fromkeys(self.sockets, each), self.sockets
        for number in left:
            poll.register(number, select.EPOLLIN)
        print("{}", flush=True)  # ready
        begun, cpu = time.monotonic(), time.process_time()
        while left:
            ready = poll.poll(20)
            if not ready:
                raise TimeoutError(f"{len(left)} clients wait for more")
            for number, _ in ready:
                left[number] -= sockets[number].recv_into(_buffer)
                if left[number] <= 0:
                    poll.unregister(number)
                    del left[number]
            time.sleep(0.001)  # gathers more data, for fewer calls
        ended = time.monotonic()
        return {"ended": ended, "share": (time.process_time() - cpu) / (ended - begun)}

    def latency(self, *, samples: int, seconds: float, rate: int) -> dict[str, Any]:
        """Report progress over a separate connection, and return each delay to each of some clients, in ms.

        The others are read now and then, but for those that have stopped.
        """
        sockets = self.sockets
        numbers = list(sockets)
        poll, watched = select.epoll(), numbers[:samples]
        others = [sockets[number] for number in numbers[samples:]]
        for number in watched:
            poll.register(number, select.EPOLLIN)
        reporter = self._reporter()
        taken: list[float] = []
        begun, swept = time.monotonic(), 0
        cpu, sent = time.process_time(), 0
        while (present := time.monotonic()) < begun + seconds + 0.5:
            if sent < (present - begun) * rate and present < begun + seconds:
                reporter.send(masked(self._report()))
                sent += 1
            for number, _ in poll.poll(0.001):
                got = sockets[number].recv_into(_buffer)
                arrived = time.monotonic_ns()
                taken += [(arrived - int(stamp)) / 1e6 for stamp in STAMP.findall(_view[:got])]
            # A few at a time, so that reading them does not distort the measurement.
            self._sweep(others[swept : swept + 10])
            swept = (swept + 10) % max(len(others), 1)
        share = (time.process_time() - cpu) / (time.monotonic() - begun)
        taken.sort()
        reporter.close()
        found = {f"p{p}": taken[len(taken) * p // 100] for p in (50, 99)} if taken else {"p50": -1.0, "p99": -1.0}
        return {**found, "received": len(taken), "expected": sent * samples, "share": share}

    def acks(self, *, seconds: float, rate: int, port: int) -> dict[str, Any]:
        """Report progress at a rate, and return how long the acks took, in ms; the clients are read now and then."""
        self.port = port
        reporter, others, swept = self._reporter(), list(self.sockets.values()), 0
        reporter.sendall(masked('{"type": "register", "acks": true}'))
        time.sleep(0.2)
        reporter.setblocking(False)
        sent: dict[int, float] = {}
        taken: list[float] = []
        received = b""
        producer = f"bench-{time.monotonic_ns()}"  # a name's numbers count once
        begun, number = time.monotonic(), 0
        while (present := time.monotonic()) < begun + seconds + 5 and (present < begun + seconds or sent):
            if number < (present - begun) * rate and present < begun + seconds:
                number += 1
                numbered = json.loads(self._report()) | {"producer": producer, "producer_seq": number}
                sent[number] = time.monotonic()
                reporter.send(masked(json.dumps(numbered)))
            with suppress(BlockingIOError):
                received += reporter.recv(65536)
            done = [int(found) for found in ACK.findall(received)]
            received = received[-100:] if done or len(received) > 200 else received
            taken += [1000 * (time.monotonic() - sent.pop(each)) for each in done if each in sent]
            self._sweep(others[swept : swept + 20])
            swept = (swept + 20) % max(len(others), 1)
            time.sleep(0.0005)
        reporter.close()
        taken.sort()
        return {f"p{p}": taken[len(taken) * p // 100] for p in (50, 99)} | {"missing": len(sent)}

    def _reporter(self) -> socket.socket:
        reporter = socket.create_connection(("127.0.0.1", self.port))
        reporter.sendall(UPGRADE.format(path="/ws", port=self.port).encode())
        reporter.recv(65536)
        job = f"bench-{time.monotonic_ns()}"
        self._report = lambda: json.dumps(
            {
                "type": "job_progress",
                "job_id": job,
                "stage": "importing",
                "progress": 1,
                "message": str(time.monotonic_ns()),
            }
        )
        reporter.sendall(masked(json.dumps({"type": "job_started", "job_id": job})))
        time.sleep(0.2)
        return reporter

    def leave(self, *, group: str = "") -> dict[str, Any]:
        """Close the clients of a group."""
        for each in self.groups[group].values():
            each.close()
        self.groups[group].clear()
        return {}

    def get(self, *, port: int, path: str, seconds: float) -> dict[str, Any]:
        """Ask for one address again and again on 8 kept connections; return the answers per second."""
        ask = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        by_number = {each.fileno(): each for each in sockets}
        poll = select.epoll()
        for each in sockets:
            poll.register(each, select.EPOLLIN)
            each.sendall(ask)
        got, answers = dict.fromkeys(by_number, b""), 0
        begun, cpu = time.monotonic(), time.process_time()
        while time.monotonic() < begun + seconds:
            for number, _ in poll.poll(1):
                got[number] += by_number[number].recv(1 << 20)
                length = LENGTH.search(got[number])
                if length and len(got[number]) >= got[number].find(b"\r\n\r\n") + 4 + int(length[1]):
                    answers, got[number] = answers + 1, b""
                    by_number[number].send(ask)
        elapsed = time.monotonic() - begun
        for each in sockets:
            each.close()
        return {"rate": answers / elapsed, "count": answers, "share": (time.process_time() - cpu) / elapsed}

    def begin_job(self, *, port: int) -> dict[str, Any]:
        """Start a job, `bench`."""
        with socket.create_connection(("127.0.0.1", port)) as reporter:
            reporter.sendall(UPGRADE.format(path="/ws", port=port).encode())
            reporter.recv(65536)
            reporter.sendall(masked(json.dumps({"type": "job_started", "job_id": "bench"})))
            time.sleep(0.3)
        return {}

    def publish_mqtt(self, *, port: int, count: int, size: int, burst: int) -> dict[str, Any]:
        """Publish to an MQTT broker, with a pause after each `burst`."""
        with socket.create_connection(("127.0.0.1", port)) as publisher:
            publisher.sendall(MQTT_CONNECT)
            publisher.recv(100)
            body = struct.pack("!H", 1) + b"t" + b"x" * size
            packet = b"\x30" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body
            for n in range(1, count + 1):
                publisher.sendall(packet)
                if n % burst == 0:
                    time.sleep(0.001)  # as for the others
            publisher.recv(1)
        return {}


MQTT_CONNECT = bytes.fromhex("100c00044d515454040200000000")
MQTT_CONNECTED = bytes.fromhex("20020000")
MQTT_SUBSCRIBE = bytes.fromhex("8206000100017400")  # to `t`, at most once


def main() -> None:
    """Do what stdin asks for."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load = Load()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        act: Callable[..., dict[str, Any]] = getattr(load, name)
        print(json.dumps(act(**arguments)), flush=True)


if __name__ == "__main__":
    main()
