"""`phaseline list` translates a filter to a query of the server, and only applies the rest itself."""

import pytest

from phaseline_cli.client.list_query import query_of


@pytest.mark.parametrize(
    ("text", "parameters", "rest"),
    [
        ("", {}, ""),
        ("render IMG_004", {"q": "render img_004"}, ""),
        ("host:box2", {"q": "box2"}, "host:box2"),
        ('name:"two words"', {"q": "two words"}, 'name:"two words"'),
        ("dalle:simple", {"q": "dalle:simple"}, ""),
        ("done", {"state": "completed"}, "state:done"),
        ("!failed state:a", {"state": "active,cancelled,stalled"}, "!state:failed state:a"),
        ("state:done !done", {}, "state:done !state:done"),
        ("/img_0+/ render", {"q": "render"}, "/img_0+/"),
        ("phase:encode !host:box2 message:disk", {}, "phase:encode !host:box2 message:disk"),
    ],
)
def test_a_filter_becomes_a_question_and_a_rest(text: str, parameters: dict[str, str], rest: str) -> None:
    query = query_of(text)
    assert query.parameters == parameters
    assert query.rest.text == rest
    assert bool(query.rest) is bool(rest)


def test_a_search_longer_than_the_server_accepts_is_applied_in_the_view() -> None:
    query = query_of(f"{'a' * 150} {'b' * 150}")
    assert query.parameters == {"q": "a" * 150}
    assert query.rest.text == "b" * 150
