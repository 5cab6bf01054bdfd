"""`GET /health`: liveness and readiness checks."""

from pathlib import Path

import trio
from quart import Response, request

from phaseline import __version__
from phaseline.errors import InvalidField, PhaselineError
from phaseline.model.states import State
from phaseline_server.access.keeper import CURRENT
from phaseline_server.atomic_files import check_data_dir
from phaseline_server.errors import LogUnavailable
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services

__all__ = ["add_handlers"]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /health`."""

    @handlers
    async def health() -> Response:
        check = request.args.get("check")
        if check not in {None, "liveness", "readiness"}:
            raise InvalidField("check", check, "liveness or readiness, or leave it out")
        report: dict[str, object] = {
            "status": "ok",
            "version": __version__,
            "uptimeSeconds": round(trio.current_time() - services.started, 3),
        }
        standing = services.tracker.log.standing
        report["role"] = standing.role
        if standing.term:
            report["term"] = standing.term
        if standing.role != "single":
            report |= {"leader": standing.leader, "lagSeconds": standing.lag_s}
        grant = CURRENT.get().grant
        if grant is not None and grant.reads_all:
            counts = services.tracker.counts()
            report["activeJobs"] = sum(counts[state] for state in State if state.at_work)
            report["subscribers"] = services.tracker.log.statistics().subscribers
        if check == "readiness":
            try:
                await trio.to_thread.run_sync(check_data_dir, Path(services.settings.data_dir))
                if not standing.available:
                    raise LogUnavailable("the log's database is not available; the server reconnects by itself")
            except PhaselineError as error:
                return json_answer(report | {"status": "unready", "error": str(error), "code": error.code}, 503)
        return json_answer(report)
