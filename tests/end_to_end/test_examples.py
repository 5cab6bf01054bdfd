"""The example workers, with and without a real server."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import ExifTags, Image

from tests.support.ports import free_port
from tests.support.reporting import subscriber
from tests.support.servers import ROOT, client_of, environment, server_process

EXAMPLES = ROOT / "examples"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two photographs, one file that is cut off, one that is not a picture, and one to skip."""
    made = tmp_path_factory.mktemp("photos")
    for name, size in (("wide", (640, 420)), ("tall", (420, 640))):
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = "X-T5"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
        exif[ExifTags.Base.Orientation] = 1
        Image.linear_gradient("L").resize(size).convert("RGB").save(made / f"{name}.jpg", exif=exif)
    (made / "cut.jpg").write_bytes((made / "wide.jpg").read_bytes()[:3000])
    (made / "text.jpg").write_text("no picture at all")
    (made / "notes.txt").write_text("passed over")
    return made


async def jobs(url: str) -> list[dict[str, Any]]:
    async with client_of(url) as client:
        found: list[dict[str, Any]] = (await client.get("/progress/jobs")).json()["jobs"]
        return found


async def run(*command: str, url: str) -> tuple[int, str]:
    env = environment(PROGRESS_URL=url, PROGRESS_PATIENCE="60")
    done = await trio.run_process(command, env=env, check=False, capture_stdout=True, capture_stderr=True)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.slow
async def test_the_photo_batch_reports_each_photo_and_a_broken_file_fails_its_own_job_only(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    async with server_process(tmp_path) as server:
        code, output = await run(
            sys.executable, str(EXAMPLES / "photo_batch.py"), str(photos), "--out", str(out), url=server.url
        )
        reported = {job["photo_info"]["file_name"]: job for job in await jobs(server.url)}
    assert code == 1
    assert f"2 of 4 photos exported to {out}" in output
    assert {name: job["state"] for name, job in reported.items()} == {
        "wide.jpg": "completed",
        "tall.jpg": "completed",
        "cut.jpg": "failed",
        "text.jpg": "failed",
    }
    for name in ("wide.jpg", "tall.jpg"):
        assert [stage["state"] for stage in reported[name]["stages"]] == ["done"] * 8
        assert reported[name]["photo_info"]["exif"]["iso"] == 400
        with Image.open(out / name) as exported:
            exported.load()
            assert exported.getexif()[ExifTags.Base.Model] == "X-T5"
            assert exported.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
    assert "text.jpg can't be processed" in reported["text.jpg"]["errors"][0]["error_message"]
    assert not (out / "cut.jpg").exists()


@pytest.mark.slow
async def test_the_photo_batch_works_without_a_server_too(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, output = await run(
        sys.executable, str(EXAMPLES / "photo_batch.py"), str(photos), "--out", str(out), url=NOWHERE
    )
    assert code == 1
    assert "2 of 4 photos exported" in output
    assert {path.name for path in out.iterdir()} == {"wide.jpg", "tall.jpg"}


@pytest.mark.needs("bash", "curl", "gzip")
async def test_the_shell_loop_reports_its_job_and_how_it_ended(tmp_path: Path) -> None:
    files = []
    for name in ('a "quoted" name', "b\\slash", "c"):
        files.append(str(tmp_path / name))
        await trio.Path(files[-1]).write_text(name * 1000)
    async with server_process(tmp_path) as server:
        code, output = await run(str(EXAMPLES / "shell_loop.sh"), *files, url=server.url)
        bad, _ = await run(str(EXAMPLES / "shell_loop.sh"), str(tmp_path / "missing"), url=server.url)
        failed, good = await jobs(server.url)
    assert (code, bad) == (0, 1)
    assert "in 3 files" in output
    assert good["state"] == "completed"
    assert good["result"] == {"files": 3}
    assert [(stage["name"], stage["state"]) for stage in good["stages"]] == [
        ("measure", "done"),
        ("compress", "done"),
        ("check", "done"),
    ]
    assert failed["state"] == "failed"
    assert failed["result"] == {"error": 'bytes=$(cat -- "$@" | wc -c) failed with exit code 1'}


@pytest.mark.needs("bash", "curl", "gzip")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
async def test_the_shell_loop_reports_files_with_any_name(tmp_path: Path, locale: str) -> None:
    names = {b"tab\there": "tab\there", b"line\nend": "line\nend", b"caf\xe9": "caf?", "café".encode(): "café"}
    for name in names:
        (tmp_path / os.fsdecode(name)).write_text("text")
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, subscriber(server.url, "jobs") as watching:
        for name, text in names.items():
            env = environment(PROGRESS_URL=server.url, PROGRESS_PATIENCE="60", LC_ALL=locale)
            command: list[str | bytes] = [str(EXAMPLES / "shell_loop.sh"), os.path.join(os.fsencode(tmp_path), name)]  # noqa: PTH118
            await trio.run_process(command, env=env, capture_stdout=True)
            await watching.until_type("job_completed")
            [message] = [
                each["message"] for each in watching.messages if each.get("stage") == "compress" and each["message"]
            ]
            assert message == f"{tmp_path}/{text}"
            watching.messages.clear()


@pytest.mark.needs("bash", "curl", "gzip", "postgres")
async def test_the_shell_loop_uses_the_next_server_if_one_is_down_or_has_no_log(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "some.py")
    for name in ("data", "away"):
        (tmp_path / name).mkdir()
    log = f"postgresql://127.0.0.1:{free_port()}/none"
    async with (
        server_process(tmp_path / "data") as server,
        server_process(tmp_path / "away", "--log", log) as away,
    ):
        urls = f"{NOWHERE}, {away.url}, {server.url}"
        assert (await run(str(EXAMPLES / "shell_loop.sh"), str(tmp_path / "some.py"), url=urls))[0] == 0
        [job] = await jobs(server.url)
    assert (job["state"], [stage["state"] for stage in job["stages"]]) == ("completed", ["done"] * 3)


@pytest.mark.needs("bash", "curl", "gzip")
async def test_the_shell_loop_works_without_a_server_too(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "some.py")
    code, output = await run(str(EXAMPLES / "shell_loop.sh"), str(tmp_path / "some.py"), url=NOWHERE)
    assert code == 0
    assert "in 1 files" in output
