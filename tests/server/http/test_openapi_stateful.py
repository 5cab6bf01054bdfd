"""Sequences of requests, as schemathesis links them: what one answer names, the next request uses."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.stateful import run_state_machine_as_test

from tests.server.http.test_openapi import CHECKS, ENDLESS, PATIENCE_S
from tests.support.examples import examples
from tests.support.servers import progress_server

CLIENT = {"client_id": "$response.body#/client_id"}
# Which operation's success leads to which others, and what these take from it. The document itself has no links;
# schemathesis guesses those between the operations for jobs and pages.
PARAMETERS = {"handshake": {"poll": CLIENT}}
BODIES = {
    "handshake": {"send": CLIENT, "disconnect": CLIENT},
    "disconnect": {"send": {"client_id": "$request.body#/client_id"}},
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with progress_server(tmp_path / "api") as address:
        yield address


def linked(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with links between the operations of polling."""
    operations = {each["operationId"]: each for path in document["paths"].values() for each in path.values()}
    for kind, links in (("parameters", PARAMETERS), ("requestBody", BODIES)):
        for source, targets in links.items():
            answer = operations[source]["responses"]["200"]
            for target, taken in targets.items():
                answer.setdefault("links", {})[target] = {"operationId": target, kind: taken}
    return document


@pytest.mark.slow
def test_no_sequence_of_requests_gets_an_undocumented_answer_or_fails_the_server(url: str) -> None:
    document = linked(requests.get(f"{url}/openapi.json", timeout=PATIENCE_S).json())
    # A run of a picture takes minutes; other tests make some.
    api = schemathesis.openapi.from_dict(document).exclude(path=ENDLESS).exclude(path_regex="^/dalle/")
    api.config.update(base_url=url)
    seen: Counter[tuple[str, int]] = Counter()

    class Sequence(api.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            if "wait" in (case.query or {}):
                case.query["wait"] = 0

        def validate_response(self, response: Any, case: Any, *_arguments: Any, **_options: Any) -> None:
            seen[case.operation.definition.raw["operationId"], response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

    run_state_machine_as_test(
        Sequence,
        settings=settings(
            max_examples=examples(80),
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {name for name, status in seen if status == 200} >= {"handshake", "poll", "disconnect", "jobs"}
