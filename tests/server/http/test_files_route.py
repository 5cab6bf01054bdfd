"""`/files/<path>` serves the files under `output/` and nothing else, for any path."""

from pathlib import Path

import pytest

from tests.support import raw_http
from tests.support.pictures import GOOD, ask, made, studio
from tests.support.servers import serving


@pytest.mark.slow
async def test_files_are_served_with_their_type_and_a_sandbox_policy(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        for path, kind in (
            ("simple/annotated/0x1.png", "image/png"),
            ("simple/selector/0x1.json", "application/json"),
            ("simple/title/0x1.txt", "text/plain"),
        ):
            answer = await client.get(f"/files/{path}")
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].partition(";")[0] == kind
            assert answer.content == (tmp_path / "output" / path).read_bytes()
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
        (tmp_path / "output" / "page.html").write_text("<script>alert(1)</script>")
        assert "sandbox" in (await client.get("/files/page.html")).headers["Content-Security-Policy"]


SECRET = b"nobody's business"
TRICKS = [
    "../secret.txt",
    "../../etc/passwd",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%252e%252e/secret.txt",
    "simple/../../secret.txt",
    "simple/%2e%2e/%2e%2e/secret.txt",
    "./simple/title/0x1.txt",
    "simple//title/0x1.txt",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "..\\secret.txt",
    "..%5csecret.txt",
    "%5c..%5c..%5csecret.txt",
    "simple%00",
    "simple/title/0x1.txt%00.png",
    "%00",
    "simple%0d%0aSet-Cookie:%20a=b",
    "%0d%0a",
    "%0a",
    "%1b[31m",
    "%1b]0;title%07",
    "%7f",
    "%c0%ae%c0%ae/secret.txt",
    "%ff",
    "%e2%80%ae",
    "simple",
    "simple/title",
    "simple/title/",
    ".scratch",
    ".scratch/x",
    "simple/.hidden",
    "C:/secret.txt",
    "file:///etc/passwd",
    "nowhere.txt",
    "x" * 300,
    "x/" * 2000 + "x",
    "%",
    "%zz",
    "~root",
    "-",
]


@pytest.mark.slow
async def test_no_path_escapes_the_output_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        (tmp_path / "output" / "simple" / ".hidden").write_bytes(SECRET)
        for trick in TRICKS:
            answer = await raw_http.get(client, f"/files/{trick}")
            assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND"), trick
            assert answer.body.decode().isprintable(), trick
            assert "set-cookie" not in answer.headers
            assert answer.json["error"].startswith("no resource has the path ")


@pytest.mark.slow
async def test_only_links_inside_the_output_folder_are_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(SECRET)
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        output = tmp_path / "output"
        (output / "file.txt").symlink_to(outside / "secret.txt")
        (output / "folder").symlink_to(outside)
        (output / "up").symlink_to("..")
        (output / "within.txt").symlink_to("simple/title/0x1.txt")
        (output / "loop").symlink_to("loop")
        for path in ("file.txt", "folder/secret.txt", "up/outside/secret.txt", "folder/nowhere"):
            answer = await client.get(f"/files/{path}")
            assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_DATA_DIR"), path
            assert "outside" not in answer.json()["error"].replace(f"output/{path}", "")
            assert SECRET not in answer.content
        assert (await client.get("/files/within.txt")).status_code == 200
        assert (await client.get("/files/loop")).status_code in {403, 404, 500}
        assert (await ask(client, "/health"))["status"] == "ok"


async def test_a_series_folder_linked_to_the_outside_is_rejected_on_every_route(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "annotated").mkdir(parents=True)
    (outside / "annotated" / "0x1.png").write_bytes(SECRET)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "simple").symlink_to(outside)
    async with serving(tmp_path) as client:
        for method, query in (("GET", ""), ("GET", "?generate=1"), ("GET", "?format=png"), ("DELETE", "")):
            answer = await client.request(method, f"/dalle/simple/0x1{query}")
            assert (answer.status_code, answer.json()["code"]) == (403, "OUTSIDE_DATA_DIR"), (method, query)
        assert (await client.get("/preview")).text.count("<figure>") == 0
    assert (outside / "annotated" / "0x1.png").read_bytes() == SECRET
