"""Request sequences that schemathesis builds from links: ids in one answer are used in the next request."""

from collections import Counter
from collections.abc import Iterator
from itertools import count
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

# Operations that only succeed with an id from another one, and that nearly every run reaches many times.
REACHED = {"start_job", "queue_job", "job", "estimates_of_job", "add_output", "end_job", "handshake"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with progress_server(tmp_path / "api") as address:
        yield address


def linked(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with more links: to the operations that have the id in their body.

    OpenAPI has links to parameters, and to whole bodies only.
    """
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    for source in operations:
        links = _links(source)
        for name in {name for link in links.values() for name in link["parameters"]}:
            taken = {name: f"$response.body#/{name}"}
            for target in operations:
                if not _links(target) and name in _required(document, target):
                    links[target["operationId"]] = {"operationId": target["operationId"], "requestBody": taken}
    return document


def _links(operation: dict[str, Any]) -> dict[str, Any]:
    links: dict[str, Any] = operation["responses"].get("200", {}).get("links", {})
    return links


def _required(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """Return the fields that an operation's body must have."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    required: list[str] = document["components"]["schemas"].get(name, {}).get("required", [])
    return required


@pytest.mark.slow
def test_no_sequence_of_requests_gets_an_undocumented_answer_or_fails_the_server(url: str) -> None:
    document = linked(requests.get(f"{url}/openapi.json", timeout=PATIENCE_S).json())
    # A picture's run takes minutes; other tests cover it.
    api = schemathesis.openapi.from_dict(document).exclude(path=ENDLESS).exclude(path_regex="^/dalle/")
    api.config.update(base_url=url)
    api.config.phases.stateful.inference.algorithms = []  # guessed links hardly ever reach a job
    seen: Counter[tuple[str, int]] = Counter()
    numbers = count()

    class Sequence(api.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            if "wait" in (case.query or {}):
                case.query["wait"] = 0
            operation = case.operation.definition.raw["operationId"]
            if operation in {"start_job", "queue_job"} and isinstance(case.body, dict) and "job_id" in case.body:
                # Earlier sequences must not decide whether it is accepted: Hypothesis repeats sequences.
                case.body["job_id"] = case.body["producer"] = f"made {next(numbers)}"

        def validate_response(self, response: Any, case: Any, *_arguments: Any, **_options: Any) -> None:
            seen[case.operation.definition.raw["operationId"], response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

    run_state_machine_as_test(
        Sequence,
        settings=settings(
            max_examples=examples(24),
            stateful_step_count=16,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {name for name, status in seen if status == 200} >= REACHED
