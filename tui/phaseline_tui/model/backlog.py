"""What came while the screen was held still."""

from phaseline_tui.model.connection import Batch
from phaseline_tui.model.frames import Frame, JobMessage, JobProgress, Snapshot

__all__ = ["Backlog"]


class Backlog:
    """Keeps frames until the screen goes on; of progress within one phase of one job only the newest.

    So it grows with what happens, and not with how often it is told.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.count = 0
        """Messages that came, those not kept included."""
        self._frames: dict[str, list[Frame]] = {}
        self._received: dict[str, float] = {}
        self._progress: dict[tuple[str, str], int] = {}
        """Where the newest progress of each job stands."""

    def add(self, batch: Batch) -> None:
        """Keep the frames of a batch."""
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
            elif isinstance(frame, Snapshot):  # Nothing before it counts any longer.
                frames.clear()
                self._progress = {key: at for key, at in self._progress.items() if key[0] != batch.origin}
            frames.append(frame)

    def batches(self) -> list[Batch]:
        """Return what was kept, a batch for each connection."""
        return [Batch(tuple(frames), self._received[origin], origin=origin) for origin, frames in self._frames.items()]
