"""The generator of docs/http-api.md describes every route and every type."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from phaseline_server.access.rules import Need, Rule
from phaseline_server.http.openapi import document
from phaseline_server.http.reference import reference
from phaseline_server.http.route import JSON, Route
from phaseline_server.http.table import ROUTES
from tests.support.servers import ROOT


class Answer(msgspec.Struct):
    count: Annotated[int, Meta(ge=1, le=9)]
    name: str | None = None
    more: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


def page(**fields: Any) -> str:
    route = Route(
        **{
            "name": "things",
            "method": "GET",
            "path": "/things/{name}",
            "rule": Rule(Need.READ),
            "summary": "The things.",
            "answers": {200: {JSON: Answer}},
        }
        | fields
    )
    return reference([route])


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text()
    assert page == reference(), "run: python -m phaseline_server.http.reference > docs/http-api.md"


def test_every_route_has_a_section() -> None:
    text = reference()
    for route in ROUTES:
        method = "GET" if route.method == "WEBSOCKET" else route.method
        assert f"\n### `{method} {route.path}" in text
        assert route.summary in text


def test_every_type_has_a_table_and_every_field_a_row() -> None:
    text = reference()
    for name, schema in document(ROUTES)["components"]["schemas"].items():
        section = text.split(f"\n### {name}\n")[1].split("\n### ")[0]
        assert all(f"| `{field}` | " in section for field in schema.get("properties", ()))


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        (Rule(Need.NOTHING), "none"),
        (Rule(Need.TOKEN), "any token"),
        (Rule(Need.READ), "`read`"),
        (Rule(Need.ADMIN, filtered=False), "`admin`, whole server"),
        (Rule(Need.READ, changing=frozenset({"retry", "generate"})), "`read`; `admin` with `generate`, `retry`"),
    ],
)
def test_a_route_names_the_scope_that_it_needs(rule: Rule, right: str) -> None:
    text = page(rule=rule)
    assert f"| [`GET /things/{{name}}`](#get-thingsname) | {right} | The things. |" in text
    assert f"The things. Scope: {right}." in text


def test_fields_show_their_bounds_their_defaults_and_whether_they_may_be_missing() -> None:
    text = page()
    assert "| `count` | integer from 1 to 9 |  |" in text
    assert "| `name` | string, or null | `null` |" in text
    assert "| `more` | object of integer | may be missing |" in text


def test_queries_bodies_and_errors_are_listed() -> None:
    text = page(method="POST", query={"limit": Annotated[int, Meta(ge=1)]}, body=list[Answer], errors=(422, 404, 404))
    assert "| `limit` | integer from 1 |" in text
    assert "- Body: list of [Answer](#answer)" in text
    assert "- Errors: 404, 422" in text


def test_a_description_can_neither_end_a_cell_nor_begin_a_tag() -> None:
    text = page(query={"since": Annotated[str, Meta(description="A position | <epoch>.")]})
    assert "| `since` | A position \\| &lt;epoch> |" in text
