"""The frames received while the screen is paused."""

from phaseline_tui.model.connection import Batch
from phaseline_tui.model.frames import Frame, JobMessage, JobProgress, Snapshot

__all__ = ["Backlog"]


class Backlog:
    """Stores frames until the screen is resumed. Newer progress of the same phase of a job replaces older progress.

    So its size depends on the number of events, not on the rate of progress reports.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.count = 0
        """Number of messages added, including replaced ones."""
        self._frames: dict[str, list[Frame]] = {}
        self._received: dict[str, float] = {}
        self._progress: dict[tuple[str, str], int] = {}
        """Index of the newest progress of each job."""

    def add(self, batch: Batch) -> None:
        """Store the frames of a batch."""
        frames = self._frames.setdefault(batch.origin, [])
        self._received[batch.origin] = batch.received
        for frame in batch.frames:
            self.count += 1
            if isinstance(frame, JobProgress):
                at = self._progress.get((batch.origin, frame.job_id))
                before = frames[at] if at is not None else None
                if at is not None and isinstance(before, JobProgress) and before.stage == frame.stage:
                    frames[at] = frame
                    continue
                self._progress[batch.origin, frame.job_id] = len(frames)
            elif isinstance(frame, JobMessage):
                self._progress.pop((batch.origin, frame.job_id), None)
            elif isinstance(frame, Snapshot):  # replaces everything before it
                frames.clear()
                self._progress = {key: at for key, at in self._progress.items() if key[0] != batch.origin}
            frames.append(frame)

    def batches(self) -> list[Batch]:
        """Return the stored frames, as one batch per connection."""
        return [Batch(tuple(frames), self._received[origin], origin=origin) for origin, frames in self._frames.items()]
