"""Churn: leaks of memory, descriptors or threads by clients that connect and disconnect.

Clients of every kind use the installed server: WebSockets that leave with a frame half sent, workers that vanish,
pages, Server-Sent Events, polling sessions, tickets, links, orders, and requests that are cut off. The tables that a
server fills by design are small here, and soon full; after that, every figure should be level. Polling sessions that
are not closed expire after 300 s, so runs of less than 10 minutes show little about memory.
"""

import argparse
import http.client
import json
import random
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from tests.bench.installed import Server, connect, frame, serving

MIB = 2**20
SAMPLES = 10
PAUSE = 0.02
WORKFLOWS = 40
HOSTS = 30
PRODUCERS = 50
FLAGS = (
    *("--retention", "20", "--done-ttl", "20", "--keep-events", "5000", "--keep-jobs", "500", "--history", "2000"),
    *("--max-jobs", "600", "--max-memory", "16777216"),
    *("--gone-after", "2", "--lost-after", "10", "--stall-after", "10", "--lease", "30"),
    *("--head-timeout", "2", "--write-timeout", "2", "--pong-timeout", "10", "--log-level", "error"),
)
PAGES = (
    *("/", "/history", "/boxes", "/page/store.js", "/job/churn", "/health", "/openapi.json", "/metrics"),
    *("/progress/jobs?limit=50", "/progress/jobs?q=c1&state=active&limit=20", "/progress/active"),
    *("/progress/totals", "/progress/events?limit=500", "/progress/hosts", "/progress/boxes", "/metrics/phases"),
    *("/ws/clients", "/ws/status", "/nothing/here", "/progress/jobs?workflow=workflow%201"),
)
BROKEN = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
    b"POST /progress/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{",
    b"POST /progress/start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\0" * 2000,
)


class Client:
    """One thread of clients, and its random choices."""

    def __init__(self, server: Server, token: str, seed: int) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"}
        self._chance = random.Random(seed)
        self._number = 0
        self._reports = 0
        self._name = f"c{seed}"

    def _send(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        try:
            document = None if body is None else json.dumps(body).encode()
            connection.request(method, path, document, self._headers | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _json(self, method: str, path: str, body: object = None) -> Any:
        return json.loads(self._send(method, path, body)[1])

    def _job(self) -> str:
        self._number += 1
        return f"{self._name}/ü {self._number}"

    def _start(self, job: str) -> dict[str, Any]:
        workflow = f"workflow {self._chance.randrange(WORKFLOWS)}"
        worker = {"host": f"host {self._chance.randrange(HOSTS)}"}
        return {"type": "job_started", "job_id": job, "workflow": workflow, "phases": ["one", "two"], "worker": worker}

    def _leave(self, sock: socket.socket) -> None:
        """Disconnect with a close frame, in the middle of a frame, by a reset, or without any of these."""
        way = self._chance.randrange(4)
        with suppress(OSError):
            if way == 0:
                sock.sendall(b"\x88\x80\0\0\0\0")
            elif way == 1:
                sock.sendall(frame(b"x" * 100)[:-50])
            elif way == 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    # ------------------------------------------------------------------------------------ kinds of clients

    def subscriber(self) -> None:
        """Subscribe to some channels, with or without a snapshot, read for a moment, leave."""
        sock = connect(self._server.port, self._headers)
        channels = [*self._chance.sample(["jobs", "photos", "system", "hosts"], 2), f"job:{self._job()}"]
        wanted = {"channels": channels, "snapshot": self._chance.random() < 0.5, "coalesce_ms": 100, "batch": True}
        sock.sendall(frame(json.dumps({"type": "subscribe", **wanted}).encode()))
        sock.settimeout(1)
        with suppress(TimeoutError):
            for _ in range(self._chance.randrange(4)):
                sock.recv(65536)
        self._leave(sock)

    def worker(self) -> None:
        """Report a job over a WebSocket; end it, or vanish."""
        sock, job = connect(self._server.port, self._headers), self._job()
        reports: list[dict[str, Any]] = [
            self._start(job),
            {"type": "photo_info", "job_id": job, "photo_info": {"a": 1}},
        ]
        reports += [
            {"type": "job_progress", "job_id": job, "stage": "one", "progress": progress}
            for progress in range(0, 90, 9)
        ]
        if self._chance.random() < 0.7:
            reports.append({"type": "job_completed", "job_id": job, "success": self._chance.random() < 0.9})
        producer = f"{self._name} {self._number % PRODUCERS}"
        sock.sendall(frame(json.dumps({"type": "register", "acks": True, "producer": producer}).encode()))
        for report in reports:
            self._reports += 1
            sock.sendall(frame(json.dumps(report | {"producer": producer, "producer_seq": self._reports}).encode()))
        sock.recv(65536)
        self._leave(sock)

    def poster(self) -> None:
        """Report a job by HTTP, with output, orders and a link; end and dismiss it, or leave it to the watchdog."""
        job = self._job()
        path = f"/progress/job/{quote(job, safe='')}"
        self._json("POST", "/progress/start", self._start(job) | {"orders": ["cancel"]})
        self._send("POST", f"{path}/output", "line\n" * 50, **{"Content-Type": "text/plain"})
        self._json("POST", f"{path}/orders", {"order": "cancel", "reason": "churn"})
        link = self._json("POST", f"{path}/link?days=1")
        for each in (path, f"{path}/estimates", f"{path}/output", f"{path}/link"):
            self._send("GET", each)
        if link.get("success"):
            self._send("GET", path, Authorization=f"Bearer {link['secret']}")
            self._send("DELETE", f"{path}/link")
        self._json("POST", "/progress/host", {"host": f"host {self._chance.randrange(HOSTS)}", "load": 1.5})
        if self._chance.random() < 0.7:
            self._json("POST", "/progress/complete", {"job_id": job})
            self._json("POST", "/progress/dismiss", {"job_id": job})

    def reader(self) -> None:
        """Load a page, a list or a metric; sometimes leave before the answer."""
        path = self._chance.choice(PAGES)
        if self._chance.random() < 0.8:
            self._send("GET", path)
            return
        sock = socket.create_connection(("127.0.0.1", self._server.port))
        token = self._headers["Authorization"]
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode())
        self._leave(sock)

    def follower(self) -> None:
        """Follow the stream by Server-Sent Events with a ticket, and leave."""
        ticket = self._json("POST", "/ws/ticket").get("ticket", "")
        if self._chance.random() < 0.2:
            return  # an unused one expires
        sock = socket.create_connection(("127.0.0.1", self._server.port))
        sock.sendall(f"GET /events?ticket={ticket} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        sock.recv(65536)
        self._leave(sock)

    def poller(self) -> None:
        """Poll a session, report through it, and close it or leave it to expire."""
        opened = self._json("POST", "/ws/handshake", {"client_type": "churn", "channels": ["jobs"]})
        session = opened.get("client_id", "")
        self._send("POST", "/ws/send", {"client_id": session, "message": self._start(self._job())})
        self._send("GET", f"/ws/poll?client_id={session}&wait=0.1")
        if self._chance.random() < 0.9:
            self._send("POST", "/ws/disconnect", {"client_id": session})

    def broken(self) -> None:
        """Send an invalid or incomplete request, and disconnect."""
        sock = socket.create_connection(("127.0.0.1", self._server.port))
        sock.sendall(self._chance.choice(BROKEN))
        self._leave(sock)


KINDS: tuple[Callable[[Client], None], ...] = (
    Client.subscriber,
    Client.worker,
    Client.poster,
    Client.reader,
    Client.follower,
    Client.poller,
    Client.broken,
)


class Churn:
    """All clients, a thread for each kind, until stopped."""

    def __init__(self, server: Server, token: str, seed: int) -> None:
        self._stopped = threading.Event()
        self.rounds = dict.fromkeys((kind.__name__ for kind in KINDS), 0)
        self.broken = 0
        self._threads = [
            threading.Thread(target=self._repeat, args=(kind, Client(server, token, seed + number)))
            for number, kind in enumerate(KINDS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, kind: Callable[[Client], None], client: Client) -> None:
        while not self._stopped.wait(PAUSE):
            try:
                kind(client)
            except (OSError, http.client.HTTPException):
                self.broken += 1
            self.rounds[kind.__name__] += 1


def sample(server: Server, token: str) -> dict[str, str]:
    """Return the server's present memory, descriptors and threads."""
    process = Path(f"/proc/{server.process.pid}")
    status, metrics = (
        server.get(path, {"Authorization": f"Bearer {token}"}) for path in ("/ws/status", "/metrics?format=json")
    )
    figures = metrics["figures"]
    return {
        "RSS MiB": f"{server.memory / MIB:.1f}",
        "descriptors": str(len(list((process / "fd").iterdir()))),
        "threads": str(len(list((process / "task").iterdir()))),
        "connections": f"{figures['phaseline_connections']:.0f}",
        "clients": str(status["connected_clients"]),
        "channels": str(len(status["channels"])),
        "queued": str(status["queued_messages"]),
        "jobs": f"{sum(count for name, count in figures.items() if name.startswith('phaseline_jobs{')):.0f}",
        "reports": f"{figures['phaseline_reports_total']:.0f}",
        "failed": f"{figures['phaseline_connections_failed_total']:.0f}",
    }


def row(name: str, figures: dict[str, str]) -> None:
    print(f"{name:>8}  " + "  ".join(f"{figure:>{len(title)}}" for title, figure in figures.items()), flush=True)


def main() -> None:
    """Connect and disconnect clients, and print the server's memory, ten times and after all have left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**16))
    parser.add_argument("--quick", action="store_true", help="ten seconds")
    chosen = parser.parse_args()
    seconds = 10.0 if chosen.quick else 60 * chosen.minutes
    print(f"seed {chosen.seed}")
    with tempfile.TemporaryDirectory() as directory:
        token = TokenFile(Path(directory)).create(Scope.ADMIN, "")[0]
        with serving(Path(directory), *FLAGS) as server:
            figures = sample(server, token)
            row("seconds", {title: title for title in figures})
            row("0", figures)
            churn, begun = Churn(server, token, chosen.seed), time.monotonic()
            churn.start()
            for number in range(1, SAMPLES + 1):
                time.sleep(max(0.0, begun + seconds * number / SAMPLES - time.monotonic()))
                row(f"{seconds * number / SAMPLES:.0f}", sample(server, token))
            churn.stop()
            time.sleep(5)  # longer than the time-outs of connections in FLAGS
            row("after", sample(server, token))
            row("rounds", {name: str(number) for name, number in churn.rounds.items()})
            print(f"{churn.broken} rounds ended by the server's side")


if __name__ == "__main__":
    main()
