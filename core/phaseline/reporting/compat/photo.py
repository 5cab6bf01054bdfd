"""Photo jobs in the photo protocol: `ProgressReporter`, which also keeps the state of the jobs it reports."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple, Protocol

from phaseline.client.notes import Warned, warn
from phaseline.errors import ConfigError, IllegalEvent, InvalidField, PhaselineError, UnknownJob, shown
from phaseline.model.workflows import PHOTO
from phaseline.reporting.compat.messages import Message, ProcessingStage, photo_message, stage_name
from phaseline.reporting.compat.websocket_server import get_websocket_server
from phaseline.reporting.job import SIGN_OF_LIFE_S, SMALLEST_STEP
from phaseline.reporting.values import facts, percent_within, seconds, text_of
from phaseline.stream import JOBS, PHOTOS

__all__ = ["ProcessingStage", "ProgressReporter", "get_progress_reporter", "init_progress_reporter"]


class Server(Protocol):
    """Anything that broadcasts messages."""

    def broadcast(self, message: dict[str, Any], channel: str) -> object:
        """Send `message` to the subscribers of `channel`."""
        ...


class _Clock(NamedTuple):
    """Times of a job's start and end, in seconds of the monotonic clock."""

    began: float
    ended: float | None = None


class ProgressReporter:
    """Reports photo jobs to a server, if there is one, and keeps their state.

    Unless `strict`, no call raises. An invalid call (an unknown or ended job, an unknown stage, a value out of range)
    changes nothing and is logged under `phaseline`, once per kind; a second `complete_job` of a job is such a call. The
    id of an ended job may be started again.

    It is safe to use from any thread. Calls for one job are sent in the order of the thread that makes them.

    Attributes:
        websocket_server: Broadcasts the messages; may be None.
        active_jobs: All jobs by id, each a dict: photo_id, photo_info, current_stage, progress, stages_completed (a
            list of dicts: stage, completed_at, result), errors; after the end also success, result, completed_at. Ended
            jobs are removed after `retention` seconds.
    """

    def __init__(self, server: Server | None = None, *, retention: float = 3600.0, strict: bool = False) -> None:
        """Create a reporter that broadcasts with `server`.

        Raises:
            ConfigError: `retention` is not a number of seconds.
        """
        self.websocket_server = server
        self.active_jobs: dict[str, dict[str, Any]] = {}
        self._retention = seconds(retention, -1.0)
        if self._retention < 0:
            raise ConfigError(f"retention is {shown(retention)}; allowed: a number of seconds, 0 or more")
        self._strict = strict
        self._clocks: dict[str, _Clock] = {}
        # The last progress sent: stage, progress, message, and the time in seconds of the monotonic clock.
        self._sent: dict[str, tuple[object, object, object, float]] = {}
        self._lock = threading.RLock()
        self._warned = Warned()

    # ------------------------------------------------------------------ reporting

    def start_job(
        self, job_id: str, photo_id: int | str | None = None, photo_info: dict[str, Any] | None = None
    ) -> None:
        """Start a job."""

        def begin() -> Message:
            if "success" not in self.active_jobs.get(job_id, {"success": True}):
                raise IllegalEvent(f"job {shown(job_id)} is active already; end it first, or use another id")
            started = photo_message("job_started", job_id, photo_id, photo_info=facts(photo_info))
            self._forget_old()
            self._clocks[job_id] = _Clock(monotonic())
            self._sent.pop(job_id, None)
            self.active_jobs[job_id] = {
                "photo_id": photo_id,
                "photo_info": started["photo_info"],
                "current_stage": "",
                "progress": 0.0,
                "stages_completed": [],
                "errors": [],
            }
            return started

        self._report("start_job", job_id, begin)

    def update_progress(
        self,
        job_id: str,
        stage: str,
        progress: float | None,
        message: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """Report a stage's progress, 0 to 100 percent; None if unknown.

        A call that changes neither the stage nor the message, and the percentage by less than 0.005, is cheap and sends
        nothing. After five seconds it is sent as a heartbeat.
        """
        try:
            sent = self._sent.get(job_id)
            if sent is not None and not details:
                last_stage, last_progress, last_message, at = sent
                if (
                    last_message == message
                    and (last_stage is stage or last_stage == stage)
                    and -SMALLEST_STEP < progress - last_progress < SMALLEST_STEP  # type: ignore[operator]
                    and monotonic() - at < SIGN_OF_LIFE_S
                ):
                    return
        except Exception:  # noqa: BLE001, S110 - a value that can't be compared, such as None, has changed
            pass
        self._update(job_id, stage, progress, message, details)

    def _update(
        self, job_id: str, stage: str, progress: float | None, text: str, details: dict[str, Any] | None
    ) -> None:
        def change() -> Message:
            job = self._active(job_id)
            percent = percent_within(progress) if isinstance(progress, float) else progress
            fields = {"progress": percent, "message": text_of(text), "details": facts(details)}
            sent = photo_message("job_progress", job_id, job["photo_id"], stage=stage_name(stage), **fields)
            job["current_stage"] = sent["stage"]
            if percent is not None:
                job["progress"] = percent
            self._sent[job_id] = (stage, progress, text, monotonic())
            return sent

        self._report("update_progress", job_id, change)

    def complete_stage(self, job_id: str, stage: str, result: dict[str, Any] | None = None) -> None:
        """Report that a stage is done, with its result."""

        def change() -> Message:
            job = self._active(job_id)
            sent = photo_message(
                "stage_completed", job_id, job["photo_id"], stage=stage_name(stage), result=facts(result)
            )
            done = {"stage": sent["stage"], "completed_at": sent["timestamp"], "result": sent["result"]}
            others = [each for each in job["stages_completed"] if each["stage"] != sent["stage"]]
            job["stages_completed"] = [*others, done]
            self._sent.pop(job_id, None)  # an unchanged progress must be sent after this
            return sent

        self._report("complete_stage", job_id, change)

    def report_error(
        self,
        job_id: str,
        error_type: str,
        error_message: str,
        error_details: dict[str, Any] | None = None,
        stage: str | None = None,
    ) -> None:
        """Report an error; the job continues."""

        def change() -> Message:
            job = self._active(job_id)
            error = {
                "error_type": text_of(error_type, 100),
                "error_message": text_of(error_message),
                "error_details": facts(error_details),
                "stage": None if stage is None else stage_name(stage),
            }
            sent = photo_message("error_occurred", job_id, job["photo_id"], **error)
            job["errors"].append({**error, "timestamp": sent["timestamp"]})
            return sent

        self._report("report_error", job_id, change)

    def send_photo_info(self, job_id: str, photo_data: dict[str, Any]) -> None:
        """Report metadata of the photo."""

        def change() -> Message:
            return photo_message("photo_info", job_id, self._active(job_id)["photo_id"], photo_data=facts(photo_data))

        self._report("send_photo_info", job_id, change, PHOTOS)

    def complete_job(self, job_id: str, success: bool = True, result: dict[str, Any] | None = None) -> None:  # noqa: FBT001, FBT002 - the photo protocol's signature
        """End a job as completed or failed. An ended job does not change."""

        def end() -> Message:
            job = self._active(job_id)
            began, ended = self._clocks[job_id].began, monotonic()
            fields: dict[str, Any] = {"success": success, "result": facts(result), "duration": round(ended - began, 3)}
            if success:
                fields["stages_completed"] = list(job["stages_completed"])
            kind = "job_completed" if success else "job_failed"
            try:
                sent = photo_message(kind, job_id, job["photo_id"], **fields)
            except PhaselineError as error:
                # The job has ended even if its result is invalid; without an end it would stay active.
                self._complain("complete_job", job_id, error)
                fields["result"] = {"note" if success else "error": f"the result could not be reported: {error}"}
                sent = photo_message(kind, job_id, job["photo_id"], **fields)
            self._clocks[job_id] = _Clock(began, ended)
            self._sent.pop(job_id, None)
            job["current_stage"] = PHOTO.ends[0] if success else PHOTO.ends[1]
            if success:
                job["progress"] = 100.0
            job |= {"success": success, "result": fields["result"], "completed_at": sent["timestamp"]}
            return sent

        self._report("complete_job", job_id, end)

    # ------------------------------------------------------------------ status

    def get_job_status(self, job_id: str) -> dict[str, Any] | None:
        """Return the state of a job, or None if it is not known."""
        with self._lock:
            self._forget_old()
            try:
                job, clock = self.active_jobs.get(job_id), self._clocks.get(job_id)
            except Exception:  # noqa: BLE001 - the id can't be hashed, so no job has it
                return None
            if job is None or clock is None:
                return None
            elapsed = (monotonic() if clock.ended is None else clock.ended) - clock.began
            lists = {"stages_completed": list(job["stages_completed"]), "errors": list(job["errors"])}
            return {"job_id": job_id, **job, **lists, "elapsed_seconds": round(elapsed, 3)}

    def get_active_jobs(self) -> dict[str, dict[str, Any]]:
        """Return the status of each job that has not ended, by id."""
        with self._lock:
            found = {job_id: self.get_job_status(job_id) for job_id in list(self.active_jobs)}
        return {job_id: status for job_id, status in found.items() if status and "success" not in status}

    # ------------------------------------------------------------------ inside

    def _report(self, call: str, job_id: str, change: Callable[[], Message], channel: str = JOBS) -> None:
        try:
            with self._lock:
                report = change()
        except Exception as error:  # a value of a wrong type may raise anything
            problem = error
            if not isinstance(error, PhaselineError):
                problem = InvalidField("an argument", type(error).__name__, f"values that can be read: {error}")
            if self._strict:
                raise problem from error
            self._complain(call, job_id, problem)
            return
        # Outside of the lock, because the server may take other locks.
        if self.websocket_server is not None:
            try:
                self.websocket_server.broadcast(report, channel=channel)
            except Exception as error:
                if self._strict:
                    raise
                self._complain("broadcast", "", error)

    def _complain(self, call: str, job_id: str, error: Exception) -> None:
        if self._warned.once(call, text_of(job_id, 200), type(error).__name__):
            warn("%s(%s) is ignored: %s", call, shown(job_id), text_of(error))

    def _active(self, job_id: str) -> dict[str, Any]:
        job = self.active_jobs.get(job_id)
        if job is None:
            raise UnknownJob(job_id)
        if "success" in job:
            state = "completed" if job["success"] else "failed"
            raise IllegalEvent(f"job {shown(job_id)} is {state} already; start it again with start_job")
        return job

    def _forget_old(self) -> None:
        now = monotonic()
        for job_id, clock in list(self._clocks.items()):
            if clock.ended is None:
                continue
            if now - clock.ended <= self._retention:
                break  # jobs are in the order of their starts, so most expired ones come first
            del self._clocks[job_id]
            self.active_jobs.pop(job_id, None)


_reporter: ProgressReporter | None = None


def init_progress_reporter(server: Server | None = None) -> ProgressReporter:
    """Create and return this process's reporter, which broadcasts with `server`; None to not broadcast."""
    global _reporter  # noqa: PLW0603 - the photo protocol has one per process
    _reporter = ProgressReporter(server)
    return _reporter


def get_progress_reporter() -> ProgressReporter:
    """Return this process's reporter; by default, create one that reports to the server at PROGRESS_URL."""
    return _reporter if _reporter is not None else init_progress_reporter(get_websocket_server())
