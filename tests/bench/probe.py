"""A bystander: latency of `/health` and of acknowledgements while others use the server, from a separate process.

    python -m tests.bench.probe PORT
    python -m tests.bench.probe PORT SUBSCRIBERS    only subscribe that many clients, and read their messages

It prints a line once it has begun, and when its stdin closes, the latencies as JSON, in milliseconds.
"""

import http.client
import json
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable

from tests.bench.installed import connect, event, frame

PAUSE = 0.02
JOB = "job_0"
END = b'"type":"job_completed"'


class Probe:
    """Measures until it is stopped; a request in progress at that time is included, so that a long wait is not lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self.taken: dict[str, list[float]] = {"health": [], "ack": []}
        self._threads = [threading.Thread(target=measure) for measure in (self._health, self._ack)]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        print("begun", flush=True)
        sys.stdin.read()
        self._stop.set()
        for thread in self._threads:
            thread.join()
        print(json.dumps(self.taken), flush=True)

    def _repeat(self, name: str, once: Callable[[], object]) -> None:
        while not self._stop.wait(PAUSE):
            begun = time.perf_counter()
            once()
            self.taken[name].append(1000 * (time.perf_counter() - begun))

    def _health(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)

        def once() -> None:
            connection.request("GET", "/health")
            connection.getresponse().read()

        self._repeat("health", once)

    def _ack(self) -> None:
        sock, numbers = connect(self._port), iter(range(1, 1 << 30))
        sock.sendall(frame(b'{"type":"register","client_type":"probe","acks":true}'))
        sock.sendall(frame(json.dumps({"type": "job_started", "job_id": JOB}).encode()))

        def once() -> None:
            number = next(numbers)
            sock.sendall(frame(event(0, number, f"probe {self._port}")))
            received = b""
            while f'"producer_seq":{number}'.encode() not in received:
                received += sock.recv(65536)
                assert received, "the server closed the connection"

        self._repeat("ack", once)


def receive(port: int, count: int) -> None:
    """Subscribe clients, and read what they are sent until stdin closes; report when all have received a job's end."""
    ready = selectors.DefaultSelector()
    ready.register(sys.stdin, selectors.EVENT_READ)
    for _ in range(count):
        sock = connect(port)
        sock.sendall(frame(b'{"type":"subscribe","channels":["jobs"]}'))
        ready.register(sock, selectors.EVENT_READ, bytearray())
    print("begun", flush=True)
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                return
            assert isinstance(key.fileobj, socket.socket)
            more, last = key.fileobj.recv(1 << 18), key.data
            assert more, "the server closed a connection"
            last += more
            if END in last:
                count -= 1
                if not count:
                    print("received", flush=True)
            del last[: 1 - len(END)]


if __name__ == "__main__":
    if sys.argv[2:]:
        receive(int(sys.argv[1]), int(sys.argv[2]))
    else:
        Probe(int(sys.argv[1])).run()
