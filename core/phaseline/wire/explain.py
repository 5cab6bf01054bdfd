"""Errors for rejected documents: msgspec's error texts, with the value and the allowed values added."""

import re
from math import isinf
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from phaseline.errors import InvalidField, InvalidJSON, UnknownType
from phaseline.stream import Position

__all__ = ["explained", "not_json", "out_of_range"]

_MISSING: Final = re.compile(r"Object missing required field `(?P<field>\w+)`")
# A key, any other string (so that numbers inside it don't match), or a number.
_TOKEN: Final = re.compile(
    rb'"(?P<string>(?:[^"\\]|\\.)*)"(?P<key>\s*:)?|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)', re.DOTALL
)
# Half of a surrogate pair; Python's json writes one for file names that aren't UTF-8.
_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_MAX_DIGITS: Final = 4300
_RANGE: Final = f"numbers up to 1.7e308, integers of at most {_MAX_DIGITS} digits"
_KINDS: Final = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
_WORDS: Final = {dict: "an object", bool: "true or false", Position: "an object with epoch and seq"}


def not_json(error: Exception, document: bytes) -> InvalidJSON:
    """Return the error for a `document` that is not valid JSON according to `error`."""
    reason = str(error).removeprefix("JSON is malformed: ")
    if isinstance(error, RecursionError):
        reason = "nested too deeply"
    if not document.strip():
        reason = "it is empty"
    if lone := _LONE_SURROGATE.search(document):
        reason = f"{reason}; possible cause: the lone surrogate {lone[0].decode()} at byte {lone.start()}"
    return InvalidJSON(f"the document is not valid JSON: {reason}; allowed: one JSON document in UTF-8")


def out_of_range(document: bytes) -> InvalidField:
    """Return the error for a valid document with a number that is out of range."""
    field = "a number in the document"
    for token in _TOKEN.finditer(document):
        if token["key"]:
            field = ascii(token["string"].decode(errors="replace"))[1:-1][:80]
        elif token["number"] and _too_big(token["number"].removeprefix(b"-")):
            return InvalidField(field, token["number"].decode(), _RANGE)
    return InvalidField("a number in the document", None, _RANGE)


def _too_big(number: bytes) -> bool:
    return len(number) > _MAX_DIGITS if number.isdigit() else isinf(float(number))


def explained(problem: str, kind: Any, value: Any) -> InvalidJSON | InvalidField | UnknownType:
    """Return the error for a `value` that is not a valid `kind`.

    Args:
        problem: msgspec's error text, which names the field but not its value.
        kind: A struct, a union of tagged structs, or a list of either.
        value: The decoded document.
    """
    # "Expected `int`, got `str` - at `$.photo_id`". The reason may quote the document and so contain " - at `$", too.
    reason, _, place = problem.rpartition(" - at `$") if " - at `$" in problem else (problem, "", "")
    path = place.removesuffix("`")
    if get_origin(kind) is not list:
        return _explained_one(reason, path, "", kind, value) or InvalidJSON(_other_than(value, "object"))
    (kind,) = get_args(kind)
    if not isinstance(value, list):
        return InvalidJSON(_other_than(value, "array"))
    number, _, path = path.removeprefix("[").partition("]")
    one = value[int(number)]
    wrong = _explained_one(reason, path, f"[{number}]", kind, one)
    return wrong or InvalidField(f"[{number}]", one, "a JSON object")


def _other_than(value: object, wanted: str) -> str:
    return f"the document is {_KINDS.get(type(value), 'a number')}; allowed: a JSON {wanted}"


def _explained_one(reason: str, path: str, where: str, kind: Any, value: Any) -> InvalidField | UnknownType | None:
    """Return the error for the field at `path` of `value`, which is at `where`; None if it is not an object."""
    if not isinstance(value, dict):
        return None
    path, missing = path.removeprefix("."), _MISSING.fullmatch(reason)
    structs = _structs(kind)
    if path == "type" or (not path and missing and missing["field"] == "type"):
        return UnknownType(value.get("type"), ", ".join(str(struct.__struct_config__.tag) for struct in structs))
    if missing:
        path = f"{path}.{missing['field']}".lstrip(".")
    if len(structs) > 1:
        structs = [struct for struct in structs if struct.__struct_config__.tag == value.get("type")]
    described, named = _described(structs, path), f"{where}.{path}".strip(".") or "the document"
    if missing:
        return InvalidField.missing(named, described or "anything")
    return InvalidField(named, _at(value, path), described or _type_in(reason))


def _structs(kind: Any) -> list[Any]:
    return [each for each in get_args(kind) or (kind,) if isinstance(each, type) and issubclass(each, msgspec.Struct)]


def _described(structs: list[Any], path: str) -> str:
    """Return the description of the field at `path` of the first struct that has it, or ""."""
    step, _, rest = path.partition(".")
    field, item, _ = step.partition("[")
    for struct in structs:
        names = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
        if field in names:
            hint = get_type_hints(struct, include_extras=True)[names[field]]
            if item:
                hint = next(iter(get_args(getattr(hint, "__origin__", hint))), hint)
            return _described(_structs(hint), rest) if rest else _description(hint)
    return ""


def _description(hint: Any) -> str:
    """Return the description in the annotation of a type or of its arguments, else its values or type, else ""."""
    notes = (note for part in (hint, *get_args(hint)) for note in getattr(part, "__metadata__", ()))
    described = (note.description for note in notes if isinstance(note, Meta) and note.description)
    words = (_WORDS[part] for part in (hint, getattr(hint, "__origin__", hint), *get_args(hint)) if part in _WORDS)
    values = (", ".join(get_args(part)) for part in (hint, *get_args(hint)) if get_origin(part) is Literal)
    return next(described, None) or next(values, None) or next(words, "")


def _type_in(reason: str) -> str:
    """Return the type that msgspec expected: `int` for "Expected `int`, got `str`"."""
    expected, _, _ = reason.removeprefix("Expected ").partition(", got")
    return expected.replace("`", "") if reason.startswith("Expected ") else "another value"


def _at(value: Any, path: str) -> object:
    """Return the value at msgspec's path in a decoded document, or the closest parent that exists."""
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return value
    return value
