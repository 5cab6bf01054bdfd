"""The routes of the picture API, a part of the table of routes."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from phaseline_server.access.rules import Need, Rule
from phaseline_server.http.answers_pictures import Removed, Run, SeriesList
from phaseline_server.http.parameters import Flag
from phaseline_server.http.route import JSON, Route, json_of
from phaseline_server.http.routes.gallery import MAX_PICTURES, PictureList

__all__ = ["PICTURES"]

_ADMIN: Final = Rule(Need.ADMIN)
_READ_ALL: Final = Rule(Need.READ, filtered=False)
_READ_OR_CHANGE: Final = Rule(Need.READ, changing=frozenset({"generate", "remove", "retry"}), linked=True)
_ERRORS: Final = (400, 403, 404, 422, 502, 503, 507)

PICTURES: Final = (
    Route(
        "gallery",
        "GET",
        "/gallery",
        _READ_ALL,
        "List the latest annotated pictures.",
        json_of(PictureList),
        query={"series": str, "limit": Annotated[int, Meta(ge=1, le=MAX_PICTURES)]},
        errors=(403, 422),
        served="leader",
    ),
    Route(
        "series", "GET", "/series", _READ_ALL, "List the series.", json_of(SeriesList), errors=(403,), served="leader"
    ),
    Route(
        "get_picture",
        "GET",
        "/dalle/{series}/{address}",
        _READ_OR_CHANGE,
        "Get the run of a picture, or the picture; start or remove it on request.",
        {
            200: {
                JSON: {"anyOf": [Run, Removed]},
                "image/png": None,
                "image/jpeg": None,
            },
            304: {},
        },
        query={"generate": Flag, "retry": Flag, "remove": Flag, "format": Literal["json", "png", "thumbnail"]},
        errors=_ERRORS,
        served="leader",
    ),
    Route(
        "make_picture",
        "POST",
        "/dalle/{series}/{address}",
        _ADMIN,
        "Start the run of a picture.",
        json_of(Run),
        query={"retry": Flag},
        errors=_ERRORS,
    ),
    Route(
        "remove_picture",
        "DELETE",
        "/dalle/{series}/{address}",
        _ADMIN,
        "Cancel the run of a picture, or remove the picture.",
        json_of(Removed),
        errors=_ERRORS,
    ),
)
