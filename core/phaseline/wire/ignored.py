"""The fields of a report that the server does not understand, for its answer.

msgspec silently ignores unknown fields. A second decoder of the same fields rejects them; it builds no values, so it
takes a third of the time of the first. Only a document that it rejects is searched for the names.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from phaseline.errors import InvalidField
from phaseline.model.events import JobProgress, Report
from phaseline.text import one_line

__all__ = ["check_percent", "ignored_fields", "ignored_in_array", "ignored_in_arrays", "ignored_in_each"]

# Fields of the photo protocol's messages that the server computes itself, so it does not need them.
_UNUSED: Final = ("type", "timestamp", "success", "stages_completed", "photo_id")
_MOST_NAMES: Final = 20
_LONGEST_NAME: Final = 100

_objects: "Final[msgspec.json.Decoder[dict[str, msgspec.Raw]]]" = msgspec.json.Decoder(dict[str, msgspec.Raw])
_arrays: "Final[msgspec.json.Decoder[list[dict[str, msgspec.Raw]]]]" = msgspec.json.Decoder(
    list[dict[str, msgspec.Raw]]
)
_Names = tuple[str, ...]
T = TypeVar("T")


def ignored_fields(document: bytes | str, kind: Any = Report) -> _Names:
    """Return the names of a valid document's fields that its `kind` does not have, or the struct that `type` names."""
    try:
        _shape_decoder(kind).decode(document)
    except (msgspec.MsgspecError, UnicodeError):
        return _unknown(_fields(_objects, document) or {}, kind)
    return ()


def ignored_in_each(documents: Sequence[bytes | str]) -> Sequence[_Names]:
    """Return `ignored_fields` of each valid report; empty if there are none at all."""
    frames = [document for document in documents if isinstance(document, str)]
    if len(frames) == len(documents):
        with suppress(msgspec.MsgspecError, UnicodeError):
            _shape_decoder(Report).decode_lines("\n".join(frames))
            return ()
    return [ignored_fields(document) for document in documents]


def ignored_in_array(document: bytes | str) -> Sequence[_Names]:
    """Return `ignored_fields` of each report in a valid array; empty if there are none at all."""
    try:
        _shapes_decoder().decode(document)
    except (msgspec.MsgspecError, UnicodeError):
        return _unknown_in(document)
    return ()


def ignored_in_arrays(frames: Sequence[str]) -> Sequence[_Names]:
    """Return `ignored_fields` of each report in valid arrays, in their order; empty if there are none at all."""
    with suppress(msgspec.MsgspecError, UnicodeError):
        _shapes_decoder().decode_lines("\n".join(frames))
        return ()
    return [names for frame in frames for names in _unknown_in(frame)]


def _unknown_in(array: bytes | str) -> list[_Names]:
    return [_unknown(fields, Report) for fields in _fields(_arrays, array) or ()]


def check_percent(value: object, document: bytes) -> None:
    """Check that no report of progress in a decoded document has `percent` in place of `progress`.

    Raises:
        InvalidField: One has.
    """
    if isinstance(value, JobProgress):
        if value.progress is None:
            _check_percent(_objects.decode(document), "")
    elif isinstance(value, list) and any(isinstance(each, JobProgress) and each.progress is None for each in value):
        for number, fields in enumerate(_arrays.decode(document)):
            if isinstance(value[number], JobProgress) and value[number].progress is None:
                _check_percent(fields, f"[{number}].")


def _check_percent(fields: dict[str, msgspec.Raw], where: str) -> None:
    if "percent" in fields and "progress" not in fields:
        given = msgspec.json.decode(fields["percent"])
        raise InvalidField(f"{where}percent", given, "the field `progress`, a number from 0 to 100; rename it")


def _fields(decoder: "msgspec.json.Decoder[T]", document: bytes | str) -> T | None:
    """Return the fields; None for a document that is valid only after its cleaning."""
    try:
        return decoder.decode(document)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def _unknown(fields: dict[str, msgspec.Raw], kind: Any) -> _Names:
    structs = get_args(kind) or (kind,)
    if len(structs) > 1:
        named = msgspec.json.decode(fields.get("type", b"null"))
        structs = tuple(struct for struct in structs if struct.__struct_config__.tag == named)
    known = {name for struct in structs for name in struct.__struct_encode_fields__}.union(_UNUSED)
    return tuple(one_line(name, _LONGEST_NAME) for name in fields if name not in known)[:_MOST_NAMES]


def _shape(kind: Any) -> Any:
    """Return a struct with the fields of `kind`, of any value; it forbids others."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    config = kind.__struct_config__
    names = [name for name in (*kind.__struct_encode_fields__, *_UNUSED) if name != config.tag_field]
    return msgspec.defstruct(
        kind.__name__,
        [(name, msgspec.Raw | UnsetType, UNSET) for name in dict.fromkeys(names)],
        tag_field=config.tag_field,
        tag=config.tag,
        forbid_unknown_fields=True,
        gc=False,
    )


def _union(kind: Any) -> Any:
    shapes = [_shape(struct) for struct in get_args(kind) or (kind,)]
    union = shapes[0]
    for shape in shapes[1:]:
        union = union | shape
    return union


_shape_decoder: Final[Callable[[Any], Any]] = cache(lambda kind: msgspec.json.Decoder(_union(kind)))
_shapes_decoder: Final[Callable[[], Any]] = cache(lambda: msgspec.json.Decoder(list[_union(Report)]))  # type: ignore[misc]
