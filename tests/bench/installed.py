"""The installed server in a separate process, and the benchmarks' messages."""

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.support.servers import environment

EVENT_BYTES = 200


def cpu_of(process: int) -> float:
    """Return the seconds on a core that a process has used so far, in all threads."""
    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A server process on a data directory."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.begun = time.perf_counter()
        program = str(Path(sys.executable).with_name("progress-server"))  # the one that is installed
        command = [program, "--bind", "127.0.0.1:0", "--data-dir", str(data_dir), *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(b"listening on "):
                self.url = line.decode().split()[-1]
                break
        self.port = int(self.url.rpartition(":")[2])

    def get(self, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        request = urllib.request.Request(self.url + path, headers=dict(headers))  # noqa: S310 - our own
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    def post(self, path: str, body: bytes) -> Any:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return json.load(answer)

    @property
    def cpu(self) -> float:
        """Seconds on a core so far, of all threads."""
        return cpu_of(self.process.pid)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(data_dir: Path, *flags: str) -> Iterator[Server]:
    """Run a server for the length of the block."""
    server = Server(data_dir, *flags)
    try:
        yield server
    finally:
        server.kill()


def connect(port: int, headers: Mapping[str, str] = MappingProxyType({})) -> socket.socket:
    """Return a socket that speaks WebSocket from now on."""
    sock = socket.create_connection(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n".encode()
        + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        + b"\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    assert b" 101 " in head.split(b"\r\n", 1)[0], head
    return sock


def frame(text: bytes) -> bytes:
    """Return a client's frame, masked with zeros."""
    if len(text) < 126:
        return struct.pack("!BB", 0x81, 0x80 | len(text)) + bytes(4) + text
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(text)) + bytes(4) + text


def event(job: int, number: int, producer: str) -> bytes:
    """Return a report of `EVENT_BYTES` bytes."""
    report = {
        "type": "job_progress",
        "job_id": f"job_{job}",
        "stage": "ai_evaluation",
        "progress": number % 100,
        "message": "",
        "producer": producer,
        "producer_seq": number,
    }
    report["message"] = "x" * (EVENT_BYTES - len(json.dumps(report, separators=(",", ":"))))
    return json.dumps(report, separators=(",", ":")).encode()


def start_jobs(server: Server, names: list[str]) -> None:
    """Start jobs, many with a request."""
    for first in range(0, len(names), 500):
        batch = [{"type": "job_started", "job_id": name} for name in names[first : first + 500]]
        assert server.post("/progress/batch", json.dumps(batch).encode())["refused"] == 0


def post_batch(port: int, events: list[bytes]) -> bytes:
    """Return a request."""
    body = b"[" + b",".join(events) + b"]"
    head = f"POST /progress/batch HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
