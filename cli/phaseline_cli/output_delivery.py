"""Send a job's output to the server, at most once a second; if the server is down, send the last part later."""

import json
import os
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

from phaseline.client.address import Address
from phaseline.client.state import output_folder
from phaseline.client.token import token_or_warning
from phaseline_cli.client.connection import Away, Connection, Rejected
from phaseline_cli.run.tail import Tail

PACE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
_PATIENCE_S: Final = 5.0
MOST_KEPT: Final = 100
"""Maximum number of jobs whose output waits on disk; the oldest is dropped."""
_OK: Final = 200
_NOT_FOUND: Final = 404
_REJECTED: Final = range(400, 500)
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class OutputDelivery:
    """A thread that sends the output of one job."""

    def __init__(self, job_id: str, addresses: Sequence[Address]) -> None:
        """Prepare to send the output of a job to one of the servers at `addresses`."""
        self._job_id = job_id
        self._addresses = addresses
        self._folder = output_folder(addresses)
        self._tail = Tail()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._sent = 0
        self._rejected = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def add(self, stream: str, data: bytes) -> None:
        """Add what the command wrote to a stream."""
        with self._lock:
            self._tail.add(stream, data)

    def skip(self, size: int) -> None:
        """Record that `size` bytes of output were skipped."""
        with self._lock:
            self._tail.skip(size)

    def finish(self) -> None:
        """Send the rest, or keep it for the next run."""
        self._ended.set()
        self._thread.join()
        try:
            known = self._send_new()
            if known:
                self._send_kept()
        except Away:
            known = False
        if not known:
            self._keep()
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        pause = PACE_S
        while not self._ended.wait(pause):
            try:
                self._send_new()
                pause = PACE_S
            except Away:
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _send_new(self) -> bool:
        """Send what is new; return False if the server doesn't know the job yet."""
        with self._lock:
            at, text = self._tail.after(self._sent)
        if not text or self._rejected:
            return True
        status = self._post(self._job_id, at, text)
        if status == _NOT_FOUND:
            return False
        self._rejected = status != _OK
        self._sent = at + len(text)
        return True

    def _post(self, job_id: str, at: int, text: str) -> int:
        """Send text; return the status of the answer.

        Raises:
            Away: It has to be sent later.
        """
        path = f"/progress/job/{quote(job_id, safe='')}/output?at={at}"
        try:
            if self._connection is None:
                self._connection = Connection(self._addresses, token_or_warning() or "", _PATIENCE_S, _PATIENCE_S)
            self._connection.read("POST", path, text.encode("utf-8", "replace"), _TEXT)
        except Rejected as error:
            if error.status not in _REJECTED:
                raise Away(str(error)) from error
            return error.status
        return _OK

    # ------------------------------------------------------------------ output that waits

    def _keep(self) -> None:
        """Keep the end of the output for the next run."""
        with self._lock:
            at, text = self._tail.after(0)
        if not text:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            document = json.dumps({"job_id": self._job_id, "at": at, "text": text})
            path = self._folder / f"{sha256(self._job_id.encode()).hexdigest()[:32]}.json"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(document)
            for old in self._kept()[MOST_KEPT:]:
                old.unlink(missing_ok=True)
        except OSError:
            return  # the user got the command's output; only this copy is lost

    def _kept(self) -> list[Path]:
        """Return the files that wait, newest first."""
        try:
            return sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        except OSError:
            return []

    def _send_kept(self) -> None:
        """Send the output that earlier runs could not send."""
        for path in self._kept():
            try:
                kept = json.loads(path.read_text())
                status = self._post(str(kept["job_id"]), int(kept["at"]), str(kept["text"]))
            except (OSError, ValueError, KeyError, TypeError):
                status = _OK  # not a file that can be sent
            if status != _NOT_FOUND:  # otherwise the job's own reports are still queued
                path.unlink(missing_ok=True)
