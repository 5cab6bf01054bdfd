"""Limits on what the view keeps of its servers, in jobs and bytes.

A server is not trusted to be modest: it may name millions of jobs, and send facts and texts of any length.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from phaseline_tui.model.decoding import UNDECODABLE
from phaseline_tui.model.frames import Frame, JobStatus
from phaseline_tui.model.jobs import JobView, State

__all__ = ["LONG_FRAME", "LONG_MESSAGE", "MAX_BYTES", "MAX_JOBS", "bounded", "places_of", "size_of"]

MAX_JOBS: Final = 10_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all jobs' facts and texts."""
LONG_FRAME: Final = 16_384
"""Characters of a frame or job up to which it is kept as it is."""
LONG_MESSAGE: Final = 4_096
"""Mean characters of a message in a long frame up to which none is `bounded`."""
_MAX_TEXT: Final = 4_000
_MAX_FACTS: Final = 16_384
_JOB_BYTES: Final = 2_000
"""Bytes of a job without facts."""
_AT_WORK: Final = frozenset(str(state) for state in State if state.at_work)


class _Brief(msgspec.Struct):
    """The fields that decide whether a job of a snapshot is kept."""

    state: str | None = None
    completed_at: str | None = None


_BRIEF_DECODER: Final = msgspec.json.Decoder(_Brief)


class Place(NamedTuple):
    """The rank of a job in a snapshot: jobs at work are least, then those that ended last."""

    ended: bool
    age: str
    number: int


def places_of(jobs: Sequence[msgspec.Raw], start: int) -> list[Place]:
    """Return the places of `jobs`, the first of which is number `start` of its snapshot."""
    places: list[Place] = []
    for number, raw in enumerate(jobs, start):
        try:
            brief = _BRIEF_DECODER.decode(raw)
        except UNDECODABLE:
            brief = _Brief()
        ended = (brief.state or "active") not in _AT_WORK
        places.append(Place(ended, _inverse(brief.completed_at or "") if ended else "", number))
    return places


def bounded(frame: Frame | JobStatus) -> None:
    """Cut overlong texts and facts of a message or job in place."""
    for name in frame.__struct_fields__:
        value = getattr(frame, name)
        if isinstance(value, str):
            if len(value) > _MAX_TEXT:
                setattr(frame, name, f"{value[: _MAX_TEXT - 1]}…")
        elif isinstance(value, dict | list) and name not in {"jobs", "stages", "stages_completed"}:
            if name == "errors" and isinstance(frame, JobStatus):
                for error in frame.errors:
                    error.error_message = (error.error_message or "")[:_MAX_TEXT]
                    error.error_details = _bounded_facts(error.error_details)
            else:
                setattr(frame, name, _bounded_facts(value))


def _bounded_facts(value: object) -> object:
    size = len(msgspec.json.encode(value))
    return value if size <= _MAX_FACTS else {"…": f"{size} bytes, more than this view keeps"}


def size_of(job: JobView) -> int:
    """Return the approximate size in bytes of a job's texts and facts."""
    facts = (
        job.photo_info,
        job.worker,
        job.details,
        job.result,
        *(phase.result for phase in job.phases if phase.result),
    )
    size = sum(len(msgspec.json.encode(each)) for each in facts if each)
    size += sum(len(error.message) for error in job.errors)
    size += sum(len(msgspec.json.encode(error.details)) for error in job.errors if error.details)
    return _JOB_BYTES + size + sum(100 + len(phase.name) for phase in job.phases)


def _inverse(timestamp: str) -> str:
    """Return a text that sorts the later the earlier an RFC 3339 timestamp is."""
    return "".join(chr(0x7F - ord(character)) for character in timestamp[:26] if character.isascii())
