"""The routes about machines, and about the servers that share a log; a part of the table of routes."""

from typing import Annotated, Final

from msgspec import Meta

from phaseline.wire import HostStatus
from phaseline_server.access.rules import Need, Rule
from phaseline_server.http.route import Route, json_of
from phaseline_server.http.routes.boxes import BoxList
from phaseline_server.http.routes.hosts import LONGEST_HOST, MAX_HOST_JOBS, MAX_HOSTS, HostList, HostTaken
from phaseline_server.http.routes.servers import ServerList

__all__ = ["HOSTS"]

HOSTS: Final = (
    Route(
        "report_host",
        "POST",
        "/progress/host",
        Rule(Need.REPORT),
        "Report the load of a machine.",
        json_of(HostTaken),
        HostStatus,
        errors=(400, 413, 415, 422, 429),
    ),
    Route(
        "hosts",
        "GET",
        "/progress/hosts",
        Rule(Need.READ),
        "List the machines that do the work, with their active jobs and their load. A page has at most about 250 jobs.",
        json_of(HostList),
        query={
            "jobs": Annotated[int, Meta(ge=0, le=MAX_HOST_JOBS, description="Most jobs to list of each machine.")],
            "limit": Annotated[int, Meta(ge=1, le=MAX_HOSTS)],
            "cursor": Annotated[str, Meta(max_length=LONGEST_HOST, description="The `cursor` of the page before.")],
        },
        errors=(422, 503),
        served="leader",
    ),
    Route(
        "boxes",
        "GET",
        "/progress/boxes",
        Rule(Need.READ, filtered=False),
        "List when each host and queue is likely to be free. Forecasts are updated periodically.",
        json_of(BoxList),
        errors=(403,),
        served="leader",
    ),
    # As open as `/health`, which names the leader.
    Route(
        "servers",
        "GET",
        "/progress/servers",
        Rule(Need.NOTHING),
        "List the servers that share the log: the leader, and for how long each may lack new messages.",
        json_of(ServerList),
    ),
)
