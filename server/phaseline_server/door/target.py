"""The target of a request: absolute-form becomes origin-form (RFC 9112 section 3.2.2)."""

import re
from typing import Final

import h11

__all__ = ["in_origin_form"]

_ABSOLUTE: Final = re.compile(rb"https?://(?P<authority>[^/?#]+)(?P<path>[^?#]*)(?P<query>\?[^#]*)?", re.IGNORECASE)


def in_origin_form(request: h11.Request) -> h11.Request | None:
    """Return the request with a path as its target, or None if its target has no form that this server serves.

    The authority of an absolute target replaces the `Host` header, which a server must ignore then.
    """
    if request.target.startswith(b"/") or request.target == b"*":
        return request
    found = _ABSOLUTE.fullmatch(request.target)
    if found is None:
        return None
    headers = [(name, value) for name, value in request.headers if name != b"host"]
    return h11.Request(
        method=request.method,
        target=(found["path"] or b"/") + (found["query"] or b""),
        headers=[*headers, (b"host", found["authority"])],
        http_version=request.http_version,
    )
