"""The HTTP API as a page of Markdown, made of the table of routes and the schemas of the OpenAPI document.

python -m phaseline_server.http.reference > docs/http-api.md
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from phaseline_server.access.rules import Need, Rule
from phaseline_server.http.openapi import document
from phaseline_server.http.route import Route
from phaseline_server.http.table import ROUTES

__all__ = ["main", "reference"]

_INTRODUCTION: Final = """\
# HTTP API

<!-- Generated; do not edit: python -m phaseline_server.http.reference > docs/http-api.md -->

Every route of the server. `GET /openapi.json` serves the same facts as an OpenAPI 3.1 document.

- **Bodies and answers** are JSON in UTF-8. The `Content-Type` of a request does not matter, so plain `curl -d` works.
- **A report is durable** when its request is answered with 200: it survives `kill -9` and a power failure.
- **Times** are RFC 3339 in UTC, durations are in seconds. In picture runs, keys that end in `Ns` are nanoseconds.
- **Unknown is never 0**: an unknown remaining time is `null`, and -1 in the `etaSeconds` of a picture's run.
- **A position** in the stream is written `<epoch>/<seq>`; see [The stream](stream.md).
- **Tokens** are sent as `Authorization: Bearer <token>`. The column *scope* names the scope that a token needs;
  *whole server* means that a token with a job prefix is rejected. See [Security](security.md).
- **A job's id** in a path is percent-encoded, slashes too: `/progress/job/a%2Foutput` is the job `a/output`, and
  `/progress/job/a/output` the output of the job `a`.
- **Unknown fields** of a body are ignored.

## Errors

Every error has the same body. `code` is stable; `error` says what failed, the value, and what is allowed:

```json
{"success": false, "error": "progress is 250; allowed: a number from 0 to 100", "code": "INVALID_FIELD"}
```

Temporary errors carry the header `Retry-After`. Any route can answer with one of these:

| status | meaning |
|---|---|
"""
_SECTIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("The stream", ("/progress/events", "/events", "/ws")),
    ("Reports and jobs", ("/progress",)),
    ("Pictures", ("/dalle", "/series", "/preview", "/files")),
    ("The server", ("",)),
)
_ORDER: Final = ("Reports and jobs", "The stream", "Pictures", "The server")
_RIGHTS: Final = {Need.NOTHING: "none", Need.TOKEN: "any token"}
_REF: Final = "#/components/schemas/"

Schema = Mapping[str, Any]


def reference(routes: Iterable[Route] = ROUTES) -> str:
    """Return the page."""
    ordered = sorted(routes, key=lambda route: (route.path, route.method))
    described = document(ordered)
    everywhere = _everywhere(described)
    lines = [_INTRODUCTION.rstrip("\n"), *(f"| {status} | {text} |" for status, text in everywhere.items())]
    by_section = {title: [route for route in ordered if _section(route) == title] for title in _ORDER}
    lines += ["", "## Routes"]
    for title, members in by_section.items():
        lines += ["", f"{title}:", "", "| route | scope | description |", "|---|---|---|"]
        lines += [
            f"| [`{_name(route)}`](#{_slug(_name(route))}) | {_right(route.rule)} | {route.summary} |"
            for route in members
        ]
    for title, members in by_section.items():
        lines += ["", f"## {title}"]
        for route in members:
            lines += _described(route, described)
    lines += [
        "",
        "## Types",
        "",
        "A request needs every field without a default. `type` may be left out where the route implies it.",
        "An answer has every field that is not marked *may be missing*.",
    ]
    for name, schema in sorted(described["components"]["schemas"].items()):
        lines += _type(name, schema)
    return "\n".join(lines) + "\n"


def _everywhere(described: Schema) -> dict[str, str]:
    """Return the statuses that every operation has, with their meanings."""
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    common = set.intersection(*(set(operation["responses"]) for operation in operations))
    return {status: operations[0]["responses"][status]["description"] for status in sorted(common) if status >= "400"}


def _section(route: Route) -> str:
    return next(title for title, paths in _SECTIONS if route.path.startswith(paths))


def _name(route: Route) -> str:
    return f"{'GET' if route.method == 'WEBSOCKET' else route.method} {route.path}" + (
        " (upgrade)" if route.method == "WEBSOCKET" else ""
    )


def _slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in " -_")
    return kept.replace(" ", "-")


def _right(rule: Rule) -> str:
    right = _RIGHTS.get(rule.need, f"`{rule.need}`") + (" or a link" if rule.linked else "")
    if rule.changing:
        right += f"; `admin` with {', '.join(f'`{name}`' for name in sorted(rule.changing))}"
    return right if rule.filtered else f"{right}, whole server"


def _described(route: Route, described: Schema) -> Iterator[str]:
    yield from ("", f"### `{_name(route)}`", "", f"{route.summary} Scope: {_right(route.rule)}.")
    if route.method == "WEBSOCKET":
        yield from ("", "The messages are described in [The stream](stream.md).")
        return
    operation = described["paths"][route.path][route.method.lower()]
    if query := [each for each in operation["parameters"] if each["in"] == "query"]:
        yield from ("", "| query | value |", "|---|---|")
        for each in query:
            yield f"| `{each['name']}` | {_cell(_kind(each['schema']))} |"
    yield ""
    if "requestBody" in operation:
        yield f"- Body: {_kind(operation['requestBody']['content'][route.body_kind]['schema'])}"
    for status, kinds in route.answers.items():
        content = operation["responses"][str(status)]["content"]
        shown = [_kind(content[kind]["schema"]) if content[kind] else f"`{kind}`" for kind in kinds]
        yield f"- {status}: {' or '.join(shown) or 'no body'}"
    if route.errors:
        yield f"- Errors: {', '.join(map(str, sorted(set(route.errors))))}"


def _type(name: str, schema: Schema) -> Iterator[str]:
    yield from ("", f"### {name}", "")
    if not schema.get("properties"):
        yield _kind(schema)
        return
    required = set(schema.get("required", ()))
    yield from ("| field | value | default |", "|---|---|---|")
    for field, kind in schema["properties"].items():
        default = "" if field in required or "default" not in kind else f"`{json.dumps(kind['default'])}`"
        yield f"| `{field}` | {_cell(_kind(kind))} | {default or ('' if field in required else 'may be missing')} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _kind(schema: Schema) -> str:
    """Return a schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f"[{name}](#{_slug(name)})"
    if "anyOf" in schema:
        return _any_of([each for each in schema["anyOf"] if each.get("type") != "null"], schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "description" in schema:
        # An angle bracket would begin a tag of HTML.
        return str(schema["description"]).rstrip(".").replace("<", "&lt;").removeprefix("a ").removeprefix("an ")
    return _plain(schema)


def _any_of(kinds: list[Schema], every: list[Schema]) -> str:
    if kinds and "or null" in kinds[0].get("description", ""):
        return _kind(kinds[0])  # it describes the whole choice
    text = " or ".join(dict.fromkeys(map(_kind, kinds)))
    return text if len(kinds) == len(every) else f"{text}, or null"


def _number(value: float) -> str:
    return "2^53" if value == 2**53 else f"{value:g}"  # the largest that JSON's readers hold exactly


def _plain(schema: Schema) -> str:
    match schema.get("type"):
        case "array":
            return f"list of {_kind(schema['items'])}" if schema.get("items") else "list"
        case "object":
            values = schema.get("additionalProperties")
            return f"object of {_kind(values)}" if values else "object"
        case "integer" | "number" as kind:
            bounds = (("from", schema.get("minimum")), ("to", schema.get("maximum")))
            return " ".join((kind, *(f"{word} {_number(value)}" for word, value in bounds if value is not None)))
        case "string" if "maxLength" in schema:
            return f"string of at most {schema['maxLength']} characters"
        case None:
            return "any JSON"
        case kind:
            return str(kind)


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(reference())


if __name__ == "__main__":
    main()
