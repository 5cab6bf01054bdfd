"""What came while the screen was held still."""

from phaseline_tui.connection import Batch
from phaseline_tui.frames import Frame, JobMessage, JobProgress

__all__ = ["Backlog"]


class Backlog:
    """Keeps frames until the screen goes on; of progress of one phase of one job only the newest.

    So it grows with what happens, and not with how often it is told.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.count = 0
        """Messages that came, those not kept included."""
        self._frames: dict[str, list[Frame | None]] = {}
        self._received: dict[str, float] = {}
        self._progress: dict[tuple[str, str], int] = {}

    def add(self, batch: Batch) -> None:
        """Keep the frames of a batch."""
        frames = self._frames.setdefault(batch.origin, [])
        self._received[batch.origin] = batch.received
        for frame in batch.frames:
            self.count += 1
            if isinstance(frame, JobProgress):
                self._replace(batch.origin, frames, frame)
            elif isinstance(frame, JobMessage):
                self._progress.pop((batch.origin, frame.job_id), None)
            else:  # A snapshot: nothing before it counts any longer.
                frames.clear()
                self._progress = {key: at for key, at in self._progress.items() if key[0] != batch.origin}
            if not isinstance(frame, JobProgress):
                frames.append(frame)

    def _replace(self, origin: str, frames: list[Frame | None], frame: JobProgress) -> None:
        key = (origin, frame.job_id)
        at = self._progress.get(key)
        before = frames[at] if at is not None else None
        if at is not None and isinstance(before, JobProgress) and before.stage == frame.stage:
            frames[at] = None
        self._progress[key] = len(frames)
        frames.append(frame)
        if len(frames) > 2 * len(self._progress) + 1000:
            self._compact(origin)

    def _compact(self, origin: str) -> None:
        """Close the gaps that progress left behind."""
        kept = [frame for frame in self._frames[origin] if frame is not None]
        self._frames[origin][:] = kept
        places = {(origin, frame.job_id): at for at, frame in enumerate(kept) if isinstance(frame, JobProgress)}
        self._progress = {key: at for key, at in self._progress.items() if key[0] != origin} | places

    def batches(self) -> list[Batch]:
        """Return what was kept, a batch for each connection."""
        return [
            Batch(tuple(frame for frame in frames if frame is not None), self._received[origin], origin=origin)
            for origin, frames in self._frames.items()
        ]
