"""A provider's picture is checked and captioned in a process."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from PIL import Image

from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.painter_process import Painter
from tests.support.painting import SMALL, gone, leftovers


def picture(path: Path, mode: str, side: int = 64) -> Path:
    Image.new(mode, (side, side), 200).save(path, "JPEG" if mode == "CMYK" else "PNG")
    return path


@pytest.mark.slow
async def test_a_provider_s_picture_is_checked_and_captioned_in_a_process(
    tmp_path: Path, started: list[trio.Process]
) -> None:
    painter, bounds = Painter(1), Bounds.near(64, 64)
    with trio.fail_after(60):
        await painter.check(picture(tmp_path / "raw", "CMYK"), tmp_path / "a.png", bounds)
        await painter.caption(tmp_path / "a.png", tmp_path / "b.png", "a fox", bounds)
    assert len(started) == 2
    with Image.open(tmp_path / "a.png") as generated, Image.open(tmp_path / "b.png") as annotated:
        assert (generated.format, generated.mode, generated.size) == ("PNG", "RGB", (64, 64))
        assert annotated.crop((0, 0, 64, 64)).tobytes() == generated.tobytes()
        assert annotated.height > 64
    assert leftovers(tmp_path) == ["a.png", "b.png", "raw"]


async def test_a_rejected_picture_leaves_no_file(tmp_path: Path) -> None:
    raw = picture(tmp_path / "raw", "L", 2100)
    with trio.fail_after(60), pytest.raises(PictureError, match=r"2100 x 2100 = 4,410,000 pixels; allowed: at most 4,"):
        await Painter(1).check(raw, tmp_path / "a.png", Bounds.near(64, 64))
    assert leftovers(tmp_path) == ["raw"]


@pytest.mark.slow
async def test_one_picture_is_decoded_at_a_time_and_painters_do_not_delay_it(
    tmp_path: Path, started: list[trio.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    painter, raw, bounds = Painter(1), picture(tmp_path / "raw", "L"), Bounds.near(64, 64)
    painting, released = trio.Event(), trio.Event()
    beside: list[int] = []
    really: Callable[..., Awaitable[trio.Process]] = trio.lowlevel.open_process

    async def open_process(*args: object, **options: object) -> trio.Process:
        beside.append(sum(not gone(process) for process in started))
        return await really(*args, **options)

    async def report(_: float) -> None:
        painting.set()
        await released.wait()

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.paint, SMALL, tmp_path / "painted.png", report)
        with trio.fail_after(60):
            await painting.wait()
            async with trio.open_nursery() as checks:
                for name in ("a.png", "b.png", "c.png"):
                    checks.start_soon(painter.check, raw, tmp_path / name, bounds)
        released.set()
    assert beside == [0, 1, 1, 1], "beside the painter, there is never another process"
    assert leftovers(tmp_path) == ["a.png", "b.png", "c.png", "painted.png", "raw"]


async def test_a_decoder_cannot_take_all_memory(tmp_path: Path, customized: Callable[[str], None]) -> None:
    customized("import zlib\ndef bomb(*_):\n    return len(bytearray(3 << 30))\nzlib.crc32 = bomb\n")
    raw = picture(tmp_path / "raw", "L")
    with trio.fail_after(60), pytest.raises(PictureError, match="needs too much memory; allowed: at most 4,194,304"):
        await Painter(1).check(raw, tmp_path / "a.png", Bounds.near(64, 64))
