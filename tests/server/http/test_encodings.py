"""The encodings of request bodies: UTF-8 with a mark is read, every other one is named in a 415."""

import codecs
import gzip
from pathlib import Path

import pytest

from tests.support.servers import serving

BODY = '{"job_id": "ä"}'


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY.encode(), {}),
        (codecs.BOM_UTF8 + BODY.encode(), {}),
        (BODY.encode(), {"Content-Type": "application/json; charset=UTF-8", "Content-Encoding": "identity"}),
        (BODY.encode(), {"Content-Type": "application/x-www-form-urlencoded"}),  # curl -d
        (b" " + BODY.encode(), {}),
    ],
)
async def test_utf_8_is_read_with_and_without_a_mark(tmp_path: Path, body: bytes, headers: dict[str, str]) -> None:
    async with serving(tmp_path) as client:
        assert (await client.post("/progress/start", content=body, headers=headers)).json()["job_id"] == "ä"


@pytest.mark.parametrize(
    ("body", "headers", "named"),
    [
        (BODY.encode("utf-16"), {}, "UTF-16"),
        (BODY.encode("utf-16-le"), {}, "UTF-16"),
        (BODY.encode("utf-16-be"), {}, "UTF-16"),
        (BODY.encode("utf-32"), {}, "UTF-32"),
        (BODY.encode("utf-32-le"), {}, "UTF-32"),
        (BODY.encode("utf-32-be"), {}, "UTF-32"),
        (gzip.compress(BODY.encode(), mtime=0), {"Content-Encoding": "gzip"}, "'gzip'"),
        (gzip.compress(BODY.encode(), mtime=0), {}, "gzip"),
        (BODY.encode(), {"Content-Encoding": "br"}, "'br'"),
        (BODY.encode("latin-1"), {"Content-Type": "application/json; charset=iso-8859-1"}, "'iso-8859-1'"),
    ],
)
async def test_any_other_encoding_is_named(tmp_path: Path, body: bytes, headers: dict[str, str], named: str) -> None:
    async with serving(tmp_path) as client:
        for path in ("/progress/start", "/progress/batch", "/ws/handshake"):
            answer = await client.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_ENCODING")
            assert answer.json()["error"] == f"the body's encoding is {named}; allowed: UTF-8, not compressed"
