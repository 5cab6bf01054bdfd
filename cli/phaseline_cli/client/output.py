"""The output of a job, followed until the job ends."""

import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from phaseline.model.states import STATES
from phaseline.text import masked
from phaseline_cli.client.connection import Connection, Rejected

__all__ = ["output_of"]

_PACE_S: Final = 0.5
_LATE_S: Final = 3.0
"""Maximum delay in seconds of the last output after the job's end."""
_ENDED: Final = frozenset(state for state in STATES if not state.unfinished)


def output_of(connection: Connection, job_id: str) -> Iterator[str]:
    """Yield the output that is kept, then what comes, until the job has ended; raise the errors of `Connection.open`.

    Raises:
        Rejected: The job has ended, and no output is kept; or the server rejects the requests.
    """
    path = f"/progress/job/{quote(job_id, safe='')}/output?format=json&after="
    end, ended_at = 0, None
    while True:
        ended = connection.job(job_id)["state"] in _ENDED
        text = ""
        try:
            answer = connection.read("GET", f"{path}{end}")
        except Rejected as error:
            if ended or error.code != "NO_OUTPUT":
                raise
        else:
            text, end = masked(str(answer["text"])), int(answer["end"])
        if text:
            yield text
        elif ended:
            ended_at = ended_at or time.monotonic()
            if time.monotonic() - ended_at >= _LATE_S or end == 0:
                return
        time.sleep(_PACE_S)
