"""Small pictures for lists."""

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from phaseline_server.pictures import thumbnails
from tests.support.pictures import GOOD, made, studio

FOLDER = "output/simple/annotated"


def png(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.mark.slow
async def test_a_thumbnail_is_small_and_is_sent_once(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        path = tmp_path / FOLDER / "0x1.png"
        for width, height, size in ((1024, 1200, (480, 563)), (2000, 500, (480, 120))):
            path.write_bytes(png(width, height))
            answer = await client.get("/dalle/simple/0x1?format=thumbnail")
            assert answer.headers["Content-Type"] == "image/jpeg"
            with Image.open(BytesIO(answer.content)) as image:
                assert (image.format, image.size) == ("JPEG", size)
            tag = {"If-None-Match": answer.headers["ETag"]}
            assert (await client.get("/dalle/simple/0x1?format=thumbnail", headers=tag)).status_code == 304
        assert (await client.get("/dalle/simple/0x2?format=thumbnail")).status_code == 404


@pytest.mark.slow
async def test_a_file_that_is_not_a_picture_has_no_thumbnail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "_MOST_PIXELS", 10_000)
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        path = tmp_path / FOLDER / "0x1.png"
        for content in (b"", b"text", png(90, 90)[:-30], png(101, 100)):
            path.write_bytes(content)
            answer = await client.get("/dalle/simple/0x1?format=thumbnail")
            assert (answer.status_code, answer.json()["code"]) == (502, "PICTURE_ERROR")


async def test_thumbnails_take_a_bounded_part_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "_MOST_BYTES", 10_000)
    gallery: Any = SimpleNamespace(picture=lambda _series, address: png(480, int(address)))
    made_here = thumbnails.Thumbnails(gallery)
    for height in range(300, 330):
        assert len((await made_here.get("simple", str(height))).content) > 1000
    assert 5_000 < made_here.size <= 10_000
