"""The OpenAPI document is complete, uses the wire types, and matches the server's behavior (schemathesis)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import BaseSchema, Case, checks

from phaseline.model.events import JobProgress
from phaseline_server.http.table import ROUTES
from tests.support.examples import examples
from tests.support.servers import progress_server, serving

CHECKS: list[Any] = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ENDLESS = "/events"
PATIENCE_S = 60


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server in a separate process."""
    with progress_server(tmp_path_factory.mktemp("api"), "--picture-size", "64x64") as address:
        yield address


@pytest.fixture(scope="module")
def api(url: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json", timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Kept connections: connecting and looking for proxies takes as long as an answer."""
    with requests.Session() as lasting:
        lasting.trust_env = False
        lasting.headers.clear()  # only the data of the case is sent
        yield lasting


found = schemathesis.pytest.from_fixture("api")


@pytest.mark.slow
@found.parametrize()
@settings(
    max_examples=examples(8),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_is_documented_and_no_request_fails_the_server(
    case: "Case[Any]", session: requests.Session
) -> None:
    if "wait" in (case.query or {}):
        case.query["wait"] = 0
    if case.operation.path == ENDLESS:
        case.validate_response(begun(case), checks=CHECKS)
    else:
        case.call_and_validate(session=session, checks=CHECKS, timeout=PATIENCE_S)


def begun(case: "Case[Any]") -> requests.Response:
    """Return an endless answer with its first part."""
    with requests.request(**case.as_transport_kwargs(), stream=True, timeout=PATIENCE_S) as answer:
        if answer.headers["Content-Type"].startswith("text/event-stream"):
            answer._content = first = next(answer.iter_content(None))
            assert first.startswith((b"id: ", b": resumed"))
        else:
            _ = answer.content  # this reads and stores the body
    return answer


async def test_every_route_is_in_the_document(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        document = (await client.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES if route.method != "WEBSOCKET"}


async def test_request_bodies_use_the_wire_types(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        document = (await client.get("/openapi.json")).json()
    schema = document["components"]["schemas"]["JobProgress"]
    assert set(schema["properties"]) == {*JobProgress.__struct_encode_fields__, "type"}
    assert schema["properties"]["progress"]["anyOf"][0]["maximum"] == 100
    secured = document["paths"]["/progress/report"]["post"]["security"]
    assert secured == [{"token": []}]
    assert "security" not in document["paths"]["/health"]["get"]
