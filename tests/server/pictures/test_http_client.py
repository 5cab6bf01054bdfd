"""`Retry-After`, clean lines and public addresses."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from phaseline_server.pictures.http_client import one_line, public, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "4"}, 4.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "9" * 400}, float("inf")),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:44 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 7.0),
        ({"Retry-After": "Sunday, 06-Nov-94 08:49:44 GMT", "Date": "Sun Nov  6 08:49:37 1994"}, 7.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:07 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:07 GMT"}, 0.0),
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "Sun, 99 Nov 1994 08:49:37 GMT"}, None),
    ],
)
def test_retry_after_can_be_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    raw = {name.encode(): value.encode() for name, value in headers.items()}  # as it comes off the wire
    assert retry_after(httpx.Headers(raw)) == seconds


def test_without_a_date_header_retry_after_uses_the_local_clock() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = retry_after(httpx.Headers({"Retry-After": then}))
    assert seconds is not None
    assert 3000 < seconds <= 3600


def test_untrusted_text_becomes_one_short_line() -> None:
    assert one_line(" a\x1b[31m\r\nb\u202e\x00\tc \x9b") == "a[31m b c"
    assert one_line("x" * 1000) == "x" * 299 + "…"


def test_a_public_url_has_no_password_query_or_fragment() -> None:
    url = httpx.URL("https://me:secret@blob.example:8443/a/b.png?sig=secret#secret")
    assert public(url) == "https://blob.example:8443/a/b.png"
