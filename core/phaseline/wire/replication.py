"""The log as a server sends it to its mirrors: over a WebSocket, in answer to `Follow`.

A mirror receives the messages as they are stored, and the record and the estimate of each of their jobs. Both sides are
servers, so this is not an interface for other programs: the records are those of `phaseline.model.record`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from phaseline.model.snapshot import Estimate
from phaseline.stream import Message, Position, channels_of

__all__ = [
    "Average",
    "Follow",
    "LogFrame",
    "LogJobs",
    "LogProblem",
    "LogStart",
    "LogUpdate",
    "SentMessage",
    "decode_log_frame",
    "encode_log_frame",
    "job_in_log",
    "sent_message",
    "stored_message",
]

Average = tuple[str, str, int, int]
"""The usual duration of a phase: workflow, phase, number of samples, nanoseconds."""

_LOG_VERSION: Final = 1


class Follow(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="follow"):
    """A mirror requests the log.

    Attributes:
        since: Send everything after this position. Without it, or if it is not available, the answer starts with
            `LogStart`.
    """

    since: Position | None = None


class SentMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message of the stream; see `Message`."""

    seq: int
    type: str
    job_id: str
    channel: str | None
    payload: msgspec.Raw


class LogStart(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="log_start"):
    """The mirror must drop its copy and start again. `LogJobs` frames follow, then `LogUpdate`.

    Attributes:
        epoch: The epoch of the log.
        seq: The number after which its messages follow.
        averages: The usual durations of phases.
        counts: The numbers of pictures made, and of pictures that existed already.
        version: The version of these messages.
    """

    epoch: str
    seq: int
    averages: Sequence[Average] = ()
    counts: tuple[int, int] = (0, 0)
    version: Annotated[int, Meta(le=_LOG_VERSION)] = _LOG_VERSION


class LogJobs(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="log_jobs"):
    """The records of some jobs; they may already include later messages."""

    jobs: Sequence[msgspec.Raw]


class LogUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="log_update"):
    """The next messages; none in a heartbeat.

    Attributes:
        top: The number of the newest message.
        messages: In the order of their numbers, without a gap.
        jobs: The records of their jobs.
        estimates: The present estimates of unfinished jobs, by the job's id.
    """

    top: int
    messages: Sequence[SentMessage] = ()
    jobs: Sequence[msgspec.Raw] = ()
    estimates: Mapping[str, Estimate] = {}


class LogProblem(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """The server rejects the request, or its log is not available."""

    error: str = ""
    code: str = ""


class _Greeting(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="connection_established"):
    """The server's greeting; a mirror needs none of its fields."""


class _JobId(msgspec.Struct):
    job_id: str


LogFrame = LogStart | LogJobs | LogUpdate | LogProblem

_encoder: Final = msgspec.json.Encoder()
_frames: "Final[msgspec.json.Decoder[LogFrame | _Greeting]]" = msgspec.json.Decoder(LogFrame | _Greeting)
_ids: Final = msgspec.json.Decoder(_JobId)


def encode_log_frame(frame: LogFrame) -> bytes:
    """Return a frame as JSON."""
    return _encoder.encode(frame)


def decode_log_frame(text: str | bytes) -> LogFrame | None:
    """Return the frame in a text, or None for a greeting; raises msgspec.MsgspecError if it is neither."""
    frame = _frames.decode(text)
    return None if isinstance(frame, _Greeting) else frame


def sent_message(message: Message) -> SentMessage:
    """Return a message in the form in which it is sent."""
    return SentMessage(message.seq, message.type, message.job_id, message.channel, msgspec.Raw(message.payload))


def stored_message(sent: SentMessage) -> Message:
    """Return a message from the form in which it was sent."""
    channels = channels_of(sent.type, sent.job_id, sent.channel)
    return Message(sent.seq, sent.type, sent.job_id, channels, bytes(sent.payload), sent.channel)


def job_in_log(record: msgspec.Raw) -> str:
    """Return the id of the job of a record; raises msgspec.MsgspecError if it has none."""
    return _ids.decode(record).job_id
