"""Receiving text frames: their messages go to the connection's buffer."""

from phaseline_tui.link.batch_buffer import BatchBuffer
from phaseline_tui.link.credentials import Credentials
from phaseline_tui.link.snapshots import received_frames
from phaseline_tui.model.frames import SNAPSHOTS, Pong, Problem

__all__ = ["Receiver"]


class Receiver:
    """Decodes the text frames of one server."""

    def __init__(self, buffer: BatchBuffer) -> None:
        """Add messages to `buffer`."""
        self._buffer = buffer
        self._awaits_snapshot = False

    def begin(self) -> None:
        """Begin a connection, whose first snapshot is urgent."""
        self._awaits_snapshot = True

    async def take(self, data: str | bytes, received: float, credentials: Credentials) -> bool:
        """Decode a text frame, and return whether it has the connection's first snapshot.

        Args:
            data: The frame.
            received: When it arrived, in monotonic seconds.
            credentials: The credentials that the server may have rejected.

        Raises:
            LinkError: The server rejected the credentials.
        """
        buffer = self._buffer
        frames, ignored = await received_frames(data, received, buffer.origin)
        buffer.ignored += ignored
        buffer.count(len(frames), len(data))
        kinds = set(map(type, frames))
        for frame in frames if Problem in kinds else ():
            if isinstance(frame, Problem):
                credentials.check(frame)
        buffer.add(frames if Pong not in kinds else [frame for frame in frames if not isinstance(frame, Pong)])
        is_first_snapshot = self._awaits_snapshot and not SNAPSHOTS.isdisjoint(kinds)
        self._awaits_snapshot = self._awaits_snapshot and not is_first_snapshot
        return is_first_snapshot
