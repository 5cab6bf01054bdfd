"""The limits of a mirror: it rejects reports, and has no pictures, output or loads of machines."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from phaseline.model.events import Event
from phaseline.wire import HostStatus
from phaseline_server.errors import NotMirrored, ReadOnlyMirror
from phaseline_server.http.table import ROUTES
from phaseline_server.jobs.receipts import Outcome

__all__ = ["MirrorLink"]

_FROM_JOBS: Final = frozenset({"boxes", "estimates_of_job", "hosts"})
"""Routes of the leader of a shared log which a mirror serves from the jobs; it has no loads of machines."""
_ELSEWHERE: Final = frozenset(route.name for route in ROUTES if route.is_leaders) - _FROM_JOBS
_READING: Final = frozenset({"GET", "HEAD"})


class MirrorLink:
    """Rejects requests that only the source of a mirror can serve; a `Leader`."""

    def __init__(self, source: str) -> None:
        """Refer clients to `source`."""
        self._source = source

    def attach(self, app: QuartTrio, _applied: Callable[[int], Awaitable[None]]) -> None:
        """Reject requests of `app` that only the source can serve."""

        async def reject() -> Response | None:
            if request.endpoint not in _ELSEWHERE or request.method == "OPTIONS":
                return None
            raise NotMirrored(self._source) if request.method in _READING else ReadOnlyMirror(self._source)

        app.before_request(reject)

    async def report_all(self, events: Sequence[Event]) -> list[Outcome]:
        """See `Leader.report_all`; rejects each report."""
        return [ReadOnlyMirror(self._source) for _ in events]

    def report_host(self, status: HostStatus) -> None:  # noqa: ARG002 (none is taken)
        """See `Leader.report_host`; raises ReadOnlyMirror."""
        raise ReadOnlyMirror(self._source)
