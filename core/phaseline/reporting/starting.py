"""Create the start of a job from a worker's arguments."""

import os
from typing import Any, Final

from phaseline.model.events import MAX_AGE_S, MAX_PHASES, JobStarted
from phaseline.reporting.orders import Handlers
from phaseline.reporting.values import facts, names, seconds
from phaseline.reporting.values import name as name_of

__all__ = ["start_of"]

_LONGEST: Final = 200


def start_of(name: object, given: dict[str, Any], host: str, worker: Any, handlers: Handlers) -> JobStarted:
    """Return the start of a job.

    Args:
        name: The name that users see.
        given: The arguments `phases`, `workflow`, `series`, `info`, `job_id` and `age` of `Reporter.job`.
        host: The name of this machine.
        worker: Facts about the process.
        handlers: The orders that the worker accepts.
    """
    line, job_id = name_of(name, "job", _LONGEST), given["job_id"]
    return JobStarted(
        job_id=name_of(job_id, "job", _LONGEST) if job_id is not None else f"{line[:150]}-{os.urandom(4).hex()}",
        name=line,
        photo_info=facts(given["info"]),
        workflow=name_of(given["workflow"], "custom"),
        phases=names(given["phases"], MAX_PHASES),
        series=name_of(given["series"], ""),
        host=host,
        worker=facts(worker),
        orders=tuple(handlers),
        age_seconds=min(max(0.0, seconds(given["age"], 0.0)), MAX_AGE_S),
    )
