"""The data of a job after its events."""

from typing import Any, Final, Self

import msgspec

from phaseline.model.events import MAX_PHASES, JobQueued, JobStarted
from phaseline.model.kept_errors import KeptErrors
from phaseline.model.naming import job_name
from phaseline.model.orders import Orders
from phaseline.model.phase import Phase
from phaseline.model.snapshot import ErrorSnapshot, Moment
from phaseline.model.states import State
from phaseline.model.timeline import Timeline
from phaseline.model.weight import MAX_KEPT_BYTES, weight
from phaseline.model.workflows import PHOTO, workflow

__all__ = ["MAX_KEPT_BYTES", "JobData"]

_encoder: Final = msgspec.json.Encoder()

# The memory that a job takes besides its facts, and each of its phases, in bytes.
_BASE_WEIGHT: Final = 3000
_PHASE_WEIGHT: Final = 300


class JobData:
    """The data of one job; use `Job`.

    Only `apply`, `goes_on`, `settle`, `shown_percent` and its callers `brief` and `snapshot` change the attributes. The
    tracker also sets `seq`, `last_report` and `workers`.

    Attributes:
        seq: The number of its last event.
        version: The identity of all that an estimate depends on, except the time and the current phase's progress.
            Copies share it, and each change replaces it. A number would not do: when an event is rolled back, the next
            one gets the same.
        latest: Time at which the worker's last report happened. Events that the server creates are left out, because a
            delayed report may have happened before them.
        last_report: Time at which the worker's last report arrived; later than `latest` if it was delayed.
        workers: The names of the connected workers that report the job; see `phaseline_server.jobs.workers`.
        name: The name that users see.
        stall_reason: Why it is stalled or lost, "" otherwise.
        dismissed: Whether a user dismissed it since its last report.
        reached: Progress of its last phase when the job failed or was cancelled, in percent.
        info_weight: Memory that `info` takes, in bytes; see `phaseline.model.weight`.
        worker_weight: Memory that `worker` takes.
        kept_errors: Its errors.
        result_weight: Memory that `result` takes.
        max_phases: Maximum number of phases.
        waits: The event that queued it, until it starts; None otherwise.
        queue: The queue in which it waits, or from which it was started.
        queued: Time at which it was queued, or None.
        orders: The orders of its users.
        results: The results of completed phases, by name; None for one that was too large to store.
        results_bytes: Encoded size of `results`.
        max_kept_bytes: Maximum encoded size of `errors`, of `info`, and of `results`.
    """

    max_phases = MAX_PHASES
    max_kept_bytes = MAX_KEPT_BYTES

    def __init__(self, job_id: str) -> None:
        """Create an absent job; its first event must be `JobStarted`."""
        self.job_id = job_id
        self.state = State.ABSENT
        self.seq = 0
        self.version = object()
        self.latest = Moment(0, -(2**63))  # before any time of a monotonic clock, which starts with the machine
        self.last_report = self.latest
        self.workers: tuple[str, ...] = ()
        self.reset(JobStarted(job_id=job_id), Moment(0, 0))

    def reset(self, event: JobStarted | JobQueued, now: Moment) -> None:
        """Start again with the data in `event`."""
        is_photo = event.photo_id is not None or bool(event.photo_info)
        default = PHOTO.name if is_photo and not event.phases else "custom"
        self.workflow = workflow(event.workflow or default, event.phases)
        # Without any of these, the first phase decides whether the workflow is `photo`.
        self.undecided = not (event.workflow or event.phases or is_photo)
        self.series = event.series
        self.host = event.host
        self.worker: dict[str, Any] = dict(event.worker)
        self.given_name = event.name
        self.photo_id = event.photo_id
        self.info: dict[str, Any] = dict(event.photo_info)
        self.info_weight = weight(_encoder.encode(self.info)) if self.info else 0
        self.worker_weight = weight(_encoder.encode(self.worker)) if self.worker else 0
        self.timeline = Timeline(self.workflow, now)
        self.text = ""
        self.kept_errors = KeptErrors()
        self.results: dict[str, dict[str, Any] | None] = {}
        self.results_bytes = 0
        self.started = now
        self.ended: Moment | None = None
        self.result: dict[str, Any] | None = None
        self.result_weight = 0
        self.duration: float | None = None
        self.cache_hit = isinstance(event, JobStarted) and event.cache_hit
        self.queue = event.queue
        self.queued: Moment | None = None
        self.waits: JobQueued | None = None
        self.orders = Orders.of(event.orders)
        self.percent = self.reached = 0.0
        self.stall_reason = ""
        self.dismissed = False
        self.rename()

    def rename(self) -> None:
        """Compute the job's name again after a change of its facts."""
        self.name = job_name(self.given_name, self.info, self.photo_id, self.job_id)

    def copy(self) -> Self:
        """Return an independent copy. Shared values are safe because they are replaced, never changed."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.timeline = self.timeline.copy()
        return other

    @staticmethod
    def weight_of_start(event: JobStarted | JobQueued) -> int:
        """Return the approximate memory in bytes of a job that `event` has started."""
        facts = weight(_encoder.encode(event.photo_info)) + weight(_encoder.encode(event.worker))
        return _BASE_WEIGHT + _PHASE_WEIGHT * len(event.phases) + facts

    @property
    def weight(self) -> int:
        """The approximate memory that the job takes, in bytes."""
        facts = (
            self.info_weight
            + self.worker_weight
            + self.kept_errors.weight
            + self.result_weight
            + 3 * self.results_bytes
        )
        return _BASE_WEIGHT + _PHASE_WEIGHT * len(self.phases) + facts

    @property
    def errors(self) -> tuple[ErrorSnapshot, ...]:
        """The stored errors, oldest first."""
        return self.kept_errors.all

    @property
    def phases(self) -> list[Phase]:
        """The known phases in order."""
        return self.timeline.phases

    @property
    def current(self) -> int | None:
        """0-based index of the current phase, or None."""
        return self.timeline.current
