"""Records: reports, encoded and checked immediately, so that later changes of the worker's objects have no effect."""

import time
from datetime import datetime
from math import isfinite
from typing import Any, Final

import msgspec

from phaseline.errors import InvalidField, InvalidJSON, TooLarge, UnknownType, shown
from phaseline.model.events import MAX_AGE_S, Event, JobCancelled, JobCompleted, JobFailed, JobStarted, Report
from phaseline.reporting.values import WHOLE, percent_within, text_of

__all__ = ["Record", "bare_end", "bare_start", "encoded", "frame", "read", "sent", "timestamp"]

# Bytes. A server's default limit for a frame is 65,536, and the producer's name is added.
_MAX_BODY: Final = 65_000
_MAX_DEPTH: Final = 16
_BEGINNINGS: Final = frozenset({"job_queued", "job_started"})
_ENDS: Final = frozenset({"job_completed", "job_failed", "job_cancelled"})
_ANSWERS: Final = frozenset({"order_taken", "order_refused"})
_PROGRESS: Final = "job_progress"
_NOBODY: Final = b'"producer":null,"producer_seq":null,"age_seconds":0.0,'


class _Dated(msgspec.Struct):
    timestamp: datetime


class Record(msgspec.Struct):
    """One report to deliver.

    Attributes:
        kind: The event's name on the wire.
        job_id: The id of its job.
        phase: The phase, if the event has one.
        body: The message, without the producer.
        number: The producer's number for it; 0 before it has one.
        order: A number that rises with each added record, and does not change with `number`.
        again: Whether it was delivered before, to another server or to one that lost its data.
        bare: Whether it replaces an end that was rejected.
        follows: Whether the previous report was progress in the same phase, so that the phase does not begin here.
        at: Time of the report, in seconds of the monotonic clock.
    """

    kind: str
    job_id: str
    phase: str | None
    body: bytes
    number: int = 0
    order: int = 0
    again: bool = False
    bare: bool = False
    follows: bool = False
    at: float = msgspec.field(default_factory=time.monotonic)

    @property
    def is_progress(self) -> bool:
        """Whether a later record of the same phase supersedes it."""
        return self.kind == _PROGRESS

    @property
    def is_end(self) -> bool:
        """Whether it ends the job."""
        return self.kind in _ENDS

    @property
    def is_kept(self) -> bool:
        """Whether it is never dropped: without its start or end a job's state would be wrong."""
        return self.is_beginning or self.kind in _ENDS or self.is_answer

    @property
    def is_beginning(self) -> bool:
        """Whether it queues or starts the job."""
        return self.kind in _BEGINNINGS

    @property
    def is_answer(self) -> bool:
        """Whether it answers an order."""
        return self.kind in _ANSWERS

    def supersedes(self, before: "Record") -> bool:
        """Return whether this record makes `before` redundant; set `follows`.

        Both are progress in one phase, and `before` is not its first. `before` is the previous record of the same job.
        """
        if not (self.is_progress and before.is_progress and before.phase == self.phase):
            return False
        self.follows = True
        return before.follows

    @property
    def weight(self) -> int:
        """Its size in the spool: 1, plus 1 for each full KiB."""
        return 1 + len(self.body) // 1024


def encoded(report: Event | dict[str, Any]) -> Record:
    """Return the record of an event, or of a message of the photo protocol.

    It is decoded as on the server, so an invalid value raises here, with the server's error text. The record is as old
    as the event.

    Raises:
        InvalidField: A field is missing, or has a wrong type or value.
        UnknownType: Reporters may not send messages of this type.
        TooLarge: It has more than 65,000 bytes.
        InvalidJSON: It is nested too deeply, or is neither an event nor a dict.
    """
    if isinstance(report, dict):
        report = report if "timestamp" in report else {**report, "timestamp": timestamp()}
    elif not isinstance(report, Event):
        raise InvalidJSON(f"a report is of type {type(report).__name__}; allowed: an event, or a message as a dict")
    report = _with_figures_checked(report)
    age = 0.0
    if not isinstance(report, dict) and report.age_seconds:
        age = min(report.age_seconds, MAX_AGE_S)
        report = msgspec.structs.replace(report, age_seconds=0.0)
    try:
        body = _encoder.encode(report)
    except Exception:  # noqa: BLE001 - a worker's objects may raise anything
        body = _encode_anything(report)
    # These fields follow the job's id; quotes within strings are escaped, so there is no other match.
    body = body.replace(_NOBODY, b"", 1)
    if not isinstance(report, dict):
        body = b'%b,"timestamp":"%b"}' % (body[:-1], timestamp(age).encode())
    if len(body) > _MAX_BODY:
        raise TooLarge(f"a report of the job {shown(_job_id(report))}", len(body), _MAX_BODY)
    if body.count(b"{") + body.count(b"[") > _MAX_DEPTH or b"\\n" in body or b"\\t" in body:
        _decode_as_server(body)  # checks the exact depth, and that names are on one line
    try:
        event = _decoder.decode(body)
    except msgspec.MsgspecError:
        # The server is lenient about some values; the event has the values that the server reads.
        return encoded(_decode_as_server(body))
    record = Record(event.type, event.job_id, getattr(event, "phase", None), body)
    record.at -= age
    return record


def read(line: bytes) -> Record:
    """Return the record of a frame, with its number; raise msgspec.MsgspecError if it is invalid."""
    event = _decoder.decode(line)
    body, _, _ = line.rpartition(b',"producer":')
    # The record may come from before a reboot, so its age is computed from the wall clock.
    age = max(0.0, time.time() - msgspec.json.decode(line, type=_Dated).timestamp.timestamp())
    record = Record(event.type, event.job_id, getattr(event, "phase", None), body + b"}", event.producer_seq or 0)
    record.at -= age
    return record


def frame(record: Record, producer: str) -> bytes:
    """Return the record as a frame, with the producer's name and the record's number."""
    return b'%b,"producer":%b,"producer_seq":%d}' % (record.body[:-1], _encoder.encode(producer), record.number)


def sent(record: Record, producer: str) -> bytes:
    """Return the frame with the record's current age."""
    age = min(max(0.0, time.monotonic() - record.at), MAX_AGE_S)
    return b'%b,"age_seconds":%.4f}' % (frame(record, producer)[:-1], age)


def bare_end(kind: str, job_id: str, why: str) -> Record:
    """Return an end without the job's result, in place of one that was rejected."""
    note = f"the job's result could not be reported: {text_of(why, 1000)}"
    end: Event
    match kind:
        case "job_completed":
            end = JobCompleted(job_id=job_id, result={"note": note})
        case "job_cancelled":
            end = JobCancelled(job_id=job_id, reason=note)
        case _:
            end = JobFailed(job_id=job_id, result={"error": note})
    record = encoded(end)
    record.bare = True
    return record


def bare_start(started: JobStarted, why: str) -> Record:
    """Return a start without the job's facts, in place of one that is invalid."""
    note = f"the job's facts could not be reported: {text_of(why, 1000)}"
    return encoded(msgspec.structs.replace(started, photo_info={"note": note}, worker={}))


_latest = (-1, "")


def timestamp(age: float = 0.0) -> str:
    """Return the time `age` seconds ago in RFC 3339 format, in UTC with `Z` and milliseconds."""
    global _latest  # noqa: PLW0603 - messages of the same second share the expensive part
    now = time.time() - age
    second, text = _latest
    if second != int(now):
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        _latest = (int(now), text)
    return f"{text}.{int(now * 1000) % 1000:03d}Z"


def _with_figures_checked(report: Event | dict[str, Any]) -> Event | dict[str, Any]:
    """Return the report with a progress from 0 to 100 if it exceeds that by a rounding error only.

    Raises:
        InvalidField: A figure is NaN or infinite; JSON can't represent these, and they would arrive as null.
    """
    for name, allowed in (("progress", "a number from 0 to 100"), ("duration", "a number of seconds, 0 or more")):
        figure = report.get(name) if isinstance(report, dict) else getattr(report, name, None)
        if not isinstance(figure, float) or 0.0 <= figure <= WHOLE:
            continue
        if not isfinite(figure):
            raise InvalidField(name, figure, allowed)
        if name == "progress" and (within := percent_within(figure)) != figure:
            if isinstance(report, dict):
                report = {**report, name: within}
            else:
                report = msgspec.structs.replace(report, progress=within)
    return report


def _decode_as_server(body: bytes) -> Event:
    """Return the event that the server would read; raise the error with which it would reject `body`."""
    from phaseline.wire import decode_client  # noqa: PLC0415 - only needed for unusual or invalid reports

    decoded = decode_client(body, _MAX_BODY, _MAX_DEPTH)
    if not isinstance(decoded, Event):
        raise UnknownType(decoded.__struct_config__.tag, "a report, such as job_progress")
    return decoded


def _job_id(report: Event | dict[str, Any]) -> object:
    return report.get("job_id") if isinstance(report, dict) else report.job_id


def _plain(value: object) -> object:
    """Return a JSON value for an object that JSON can't represent: numpy's scalars as numbers, others as text."""
    item = getattr(value, "item", None)
    if callable(item):
        try:
            return item()
        except Exception:  # noqa: BLE001 - for example an array of several items
            return _text(value)
    return _text(value)


def _encode_anything(report: Event | dict[str, Any]) -> bytes:
    """Encode values that msgspec rejects: lone surrogates, integers of more than 64 bits, keys that are not strings."""
    fields = report if isinstance(report, dict) else {"type": report.type, **msgspec.structs.asdict(report)}
    names = {}
    if not isinstance(report, dict):
        names = dict(zip(report.__struct_fields__, report.__struct_encode_fields__, strict=True))
    try:
        return _encoder.encode({names.get(name, name): _simple(value, 0) for name, value in list(fields.items())})
    except Exception as error:  # noqa: BLE001 - as above
        raise InvalidField("the report", type(error).__name__, f"values that JSON can represent: {error}") from None


def _simple(value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        return "…"
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case int() if not -(2**63) <= value < 2**63:
            return str(value) if abs(value) < 10**4000 else "…"
        case dict():
            return {_key(key): _simple(item, depth + 1) for key, item in list(value.items())}
        case list() | tuple() | set() | frozenset():
            return [_simple(item, depth + 1) for item in list(value)]
        case _:
            return value


def _key(key: object) -> str:
    return _text(key).encode("utf-8", "replace").decode()


def _text(value: object) -> str:
    return "None" if value is None else text_of(value)


_encoder: Final = msgspec.json.Encoder(enc_hook=_plain)
_decoder: Final = msgspec.json.Decoder(Report)
