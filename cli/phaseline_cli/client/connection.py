"""Requests to a server, with little of the standard library: a command must start fast."""

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from typing import Any, Final, Self, TypeVar

from phaseline.client.address import ELSEWHERE, Address
from phaseline.client.token import TOKEN_ADVICE, token
from phaseline.errors import ConfigError
from phaseline_cli.client.failures import Exit, Failure
from phaseline_cli.client.http_answer import Answer, NotHTTP

__all__ = ["LOST", "Away", "Connection", "Rejected", "addresses_of", "connect"]

LOST: Final = (OSError, NotHTTP)
"""The errors raised when the connection is lost while an answer is read."""
_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 10.0
_OK: Final = 200
_TEMPORARY: Final = frozenset({408, 429, 502, 503, 504, 507})
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_LARGEST: Final = 2**26  # bytes of an answer


_T = TypeVar("_T")


class Away(Exception):
    """No server answers, or it can't accept anything for now. The text gives the reason.

    Attributes:
        sent: The request was sent, so it may have been carried out.
        elsewhere: Another server that shares the log may answer.
    """

    def __init__(self, reason: str, *, sent: bool = False, elsewhere: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.elsewhere = elsewhere


class Rejected(Failure):
    """The server rejected a request.

    Attributes:
        status: The HTTP status; 200 for one of several reports in a request.
        code: The error's stable code, or "".
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        """Choose the exit code by `status` and `code`."""
        exit_code = Exit.FAILED
        if status in {_UNAUTHORIZED, _FORBIDDEN} or code in {"UNAUTHORIZED", "FORBIDDEN"}:
            exit_code = Exit.NOT_ALLOWED
        elif code == "UNKNOWN_JOB":
            exit_code = Exit.NO_JOB
        elif code == "INVALID_FIELD":
            exit_code = Exit.USAGE  # the fields are the user's arguments
        super().__init__(text, exit_code)
        self.status = status
        self.code = code


class Connection:
    """A connection to a server for sequential requests; it reconnects if the server has closed it.

    If several servers share a log, it uses the next one when one fails, so a request may be executed twice.

    Attributes:
        address: The address of the server in use.
    """

    def __init__(self, addresses: Sequence[Address], secret: str, connect_s: float, answer_s: float) -> None:
        """Connect; see `connect`."""
        self._addresses = addresses
        self.address = addresses[0]
        self._headers = {"Accept": "application/json"}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._is_open = False
        self._open()

    def _turn(self) -> None:
        """Use the next server from now on."""
        if self._is_open:
            self.close()
        following = self._addresses.index(self.address) + 1
        self.address = self._addresses[following % len(self._addresses)]

    def _open(self) -> None:
        """Connect to the server in use, else to the next that accepts the connection."""
        problems = []
        for _ in self._addresses:
            try:
                self._open_one()
            except Away as error:
                problems.append(str(error))
                self._turn()
            else:
                return
        raise Away("; ".join(problems))

    def _open_one(self) -> None:
        try:
            self._stream = socket.create_connection((self.address.host, self.address.port), self._connect_s)
            if self.address.tls:
                self._stream = _secured(self._stream, self.address)
        except OSError as error:
            raise Away(self.reason(error)) from error
        self._stream.settimeout(self._answer_s)
        self._file: BufferedReader = self._stream.makefile("rb")
        self._is_open = True

    def close(self) -> None:
        """Close it; the next request opens it again."""
        self._is_open = False
        self._file.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_at_most(self, seconds: float) -> None:
        """Set the time-out of each wait for data of an open answer."""
        self._stream.settimeout(seconds)

    def _of_any(self, request: Callable[[], _T]) -> _T:
        """Return the answer of the server in use, else of the next that has one."""
        problems, sent = [], False
        for _ in self._addresses:
            try:
                return request()
            except Away as error:
                problems.append(str(error))
                sent = sent or error.sent
                if not error.elsewhere:
                    break
                self._turn()
        raise Away("; ".join(problems), sent=sent)

    def open(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request and return the answer, whose body is yet to be read.

        Raises:
            Away: The connection was lost, or the server can't accept anything for now.
            Rejected: The answer is another error.
        """
        return self._of_any(lambda: self._answer(method, path, body, headers))

    def _answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None) -> Answer:
        if not self._is_open:
            self._open()
        address = self.address
        base = address.path.removesuffix("/ws")
        fields = {"Host": address.authority, **self._headers, **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        try:
            answer = Answer.to(self._stream, self._file, f"{method} {base}{path} HTTP/1.1\r\n{lines}", body)
            text = b"" if answer.status == _OK else answer.read(_LARGEST)
        except LOST as error:
            self.close()
            raise Away(self.reason(error), sent=True, elsewhere=True) from error
        if answer.status == _OK:
            return answer
        self._close_after(answer)
        raise self._error(answer.status, text)

    def read(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Any:
        """Send a request and return the decoded answer; raise the errors of `open`."""
        return self._of_any(lambda: self._document(method, path, body, headers))

    def _document(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None) -> dict[str, Any]:
        answer = self._answer(method, path, body, headers)
        document: Any = None
        try:
            document = json.loads(answer.read(_LARGEST))
        except LOST as error:
            self.close()
            raise Away(self.reason(error), sent=True, elsewhere=True) from error
        except ValueError:
            pass
        if not isinstance(document, dict) or "success" not in document:
            raise Rejected(answer.status, "", f"{self.address.authority} is not a Phaseline server; check the address")
        self._close_after(answer)
        results = document.get("results", ()) if len(self._addresses) > 1 else ()
        if away := [result for result in results if result.get("code") in ELSEWHERE]:  # of the reports in a batch
            raise Away(str(away[0].get("error", "")), sent=True, elsewhere=True)
        return document

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job's status; raise the errors of `open`."""
        from urllib.parse import quote  # noqa: PLC0415 - not needed for a report

        try:
            status: dict[str, Any] = self.read("GET", f"/progress/job/{quote(job_id, safe='')}")["job_status"]
        except Rejected as error:
            if error.code == "UNKNOWN_JOB":
                raise Rejected(
                    error.status, error.code, f"no job {job_id!a}; `phaseline list` lists the jobs"
                ) from error
            raise
        return status

    def _close_after(self, answer: Answer) -> None:
        if not answer.keeps:
            self.close()

    def reason(self, error: BaseException) -> str:
        """Return why there is no connection, in words."""
        where = self.address.authority
        if isinstance(error, TimeoutError):
            return f"{where} did not answer in time"
        if isinstance(error, socket.gaierror):
            return f"the host {self.address.host} is not known: {error.strerror}"
        if isinstance(error, NotHTTP):
            return f"{where} closed the connection without an answer, or does not speak HTTP"
        verification = getattr(error, "verify_message", "")
        if verification:
            return (
                f"the certificate of {where} is not trusted: {verification}; set SSL_CERT_FILE to the certificate, or "
                "to that of its authority"
            )
        return f"no server at {where}: {(getattr(error, 'strerror', None) or str(error)).lower()}"

    def _error(self, status: int, body: bytes) -> Exception:
        code = ""
        try:
            document = json.loads(body)
            code, text = str(document["code"]), str(document["error"])
        except (ValueError, KeyError, TypeError):
            text = f"{self.address.authority} answered HTTP {status}; check the address, or the proxy in front of it"
        elsewhere = code in ELSEWHERE
        if status in _TEMPORARY or (elsewhere and len(self._addresses) > 1):
            return Away(text, sent=True, elsewhere=elsewhere)
        if status == _UNAUTHORIZED:
            sent = "rejected the token, which is unknown, revoked or expired"
            problem = sent if "Authorization" in self._headers else "needs a token"
            text = f"the server {problem} (HTTP 401); {TOKEN_ADVICE}"
        return Rejected(status, code, text)


def connect(url: str | None, connect_s: float = _CONNECT_S, answer_s: float = _ANSWER_S) -> Connection:
    """Connect to `url`, else PROGRESS_URL, else the default; of several servers, to the first that answers.

    Raises:
        Away: No server answers.
        Failure: The address or the token is invalid.
    """
    addresses = addresses_of(url)
    try:
        secret = token()
    except ConfigError as error:
        raise Failure(str(error), Exit.USAGE) from error
    return Connection(addresses, secret, connect_s, answer_s)


def addresses_of(url: str | None) -> Sequence[Address]:
    """Return the addresses in `url`, else PROGRESS_URL, else the default; raise Failure if one is invalid."""
    try:
        return Address.configured(url)
    except ConfigError as error:
        raise Failure(str(error), Exit.USAGE) from error


def _secured(stream: socket.socket, address: Address) -> socket.socket:
    import ssl  # noqa: PLC0415 - for https only

    try:
        return ssl.create_default_context().wrap_socket(stream, server_hostname=address.host)
    except OSError:
        stream.close()
        raise
