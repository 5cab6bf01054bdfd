"""Requests of all kinds, mostly invalid ones: each gets a clear answer, and the server keeps running."""

from pathlib import Path

import msgspec
import pytest
import structlog.testing

from phaseline_server.pictures.gallery import Gallery
from tests.support import raw_http
from tests.support.pictures import GOOD, ask, made, studio
from tests.support.servers import serving


async def test_every_error_is_json_with_a_code(tmp_path: Path) -> None:
    async with serving(tmp_path, max_body=2048) as client:
        for method, path, status, code in (
            ("GET", "/nowhere", 404, "NOT_FOUND"),
            ("GET", "//nowhere", 404, "NOT_FOUND"),
            ("GET", "/files/", 404, "NOT_FOUND"),
            ("GET", "/%1b%00", 404, "NOT_FOUND"),
            ("POST", "/health", 405, "METHOD_NOT_ALLOWED"),
            ("GET", "/progress/start", 405, "METHOD_NOT_ALLOWED"),
            ("BREW", "/health", 405, "METHOD_NOT_ALLOWED"),
            ("GET", "/ws", 426, "UPGRADE_REQUIRED"),
            ("GET", "/progress/job/none", 404, "UNKNOWN_JOB"),
        ):
            answer = await raw_http.get(client, path, method=method)
            assert answer.status == status, (method, path, answer)
            assert answer.headers["content-type"] == "application/json"
            assert set(answer.json) == {"success", "error", "code"}
            assert (answer.json["success"], answer.json["code"]) == (False, code)
            assert answer.body.decode().isprintable()


async def test_the_error_for_a_too_large_body_names_the_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, max_body=2048) as client:
        for path in ("/progress/start", "/progress/batch", "/progress/complete"):
            reported = await client.post(path, content=b"x" * 3000)
            assert (reported.status_code, reported.json()["code"]) == (413, "TOO_LARGE")
            assert "allowed: at most 2048" in reported.json()["error"]
            reported = await client.post(path, content=b"x" * 2048)
            assert (reported.status_code, reported.json()["code"]) == (400, "INVALID_JSON")
        chunk = b"800\r\n" + b"x" * 2048 + b"\r\n"
        head = (
            b"POST /progress/start HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        answer = await raw_http.send(client, head + chunk * 3 + b"0\r\n\r\n")
        assert (answer.status, answer.json["code"]) == (413, "TOO_LARGE")


async def test_invalid_bodies_are_rejected(tmp_path: Path) -> None:
    deep = b'{"job_id":"a","photo_info":' + b'{"a":' * 20 + b"1" + b"}" * 21
    async with serving(tmp_path) as client:
        for body, status, code in (
            (b"", 400, "INVALID_JSON"),
            (b"{", 400, "INVALID_JSON"),
            (b"\xff", 400, "INVALID_JSON"),
            (b"[]", 400, "INVALID_JSON"),
            (b"null", 400, "INVALID_JSON"),
            (b"[" * 100_000, 400, "INVALID_JSON"),
            (deep, 400, "INVALID_JSON"),
            (b"{}", 422, "INVALID_FIELD"),
            (b'{"job_id": 1}', 422, "INVALID_FIELD"),
            (b'{"job_id": ""}', 422, "INVALID_FIELD"),
            (b'{"job_id": "a", "photo_info": [1]}', 422, "INVALID_FIELD"),
        ):
            answer = await client.post("/progress/start", content=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:40]
        assert (await ask(client, "/progress/active"))["count"] == 0


async def test_a_json_body_with_a_form_content_type_is_accepted(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        kinds = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/x")
        for number, kind in enumerate(kinds):
            body = b'{"job_id": "job %d", "photo_info": {"a": "b&c=d"}}' % number
            answer = await client.post("/progress/start", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 200, answer.text
        jobs = (await ask(client, "/progress/active"))["active_jobs"]
        assert [job["photo_info"] for job in jobs.values()] == [{"a": "b&c=d"}] * 3


async def test_an_unexpected_error_is_500_with_a_code_and_a_logged_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_gallery: Gallery) -> list[str]:
        raise ZeroDivisionError("the reason")

    monkeypatch.setattr(Gallery, "series_names", fail)
    async with serving(tmp_path) as client:
        with structlog.testing.capture_logs() as logs:
            error = await ask(client, "/series", 500)
        assert error["code"] == "INTERNAL"
        assert "the reason" not in error["error"]
        assert [(entry["log_level"], entry["exc_info"]) for entry in logs] == [("error", True)]
        assert (await ask(client, "/health"))["status"] == "ok"


@pytest.mark.slow
async def test_head_equals_get_without_a_body(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        for path in ("/health", "/series", "/metrics", "/preview", "/dalle/simple/0x1", "/files/simple/title/0x1.txt"):
            head = await client.head(path)
            assert (head.status_code, head.content) == (200, b""), path
            assert head.headers["Content-Type"] == (await client.get(path)).headers["Content-Type"]
        for path, status in (("/nowhere", 404), ("/dalle/simple/0x2", 404), ("/dalle/simple/zz", 400)):
            head = await client.head(path)
            assert (head.status_code, head.content) == (status, b""), path


async def test_huge_and_malformed_queries_get_a_response(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for query in ("a=" + "x" * 12_000, "&" * 10_000, "=" * 10_000, "a&b=%ff&%00=%0d%0a", "check[]=1", "?" * 1000):
            assert (await raw_http.get(client, f"/health?{query}")).status == 200, query[:20]
        many_digits = "9" * 5000
        for path in (f"/progress/jobs?limit={many_digits}", f"/progress/jobs?cursor={many_digits}"):
            assert (await ask(client, path, 422))["code"] == "INVALID_FIELD"
        refused = await raw_http.get(client, f"/health?{'x' * 100_000}")
        assert (refused.status, refused.json["code"]) == (431, "TOO_LARGE")


async def test_jobs_are_listed_page_by_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(5):
            await client.post("/progress/start", json={"job_id": f"job {number}"})
        seen: list[str] = []
        cursor = ""
        while True:
            page = await ask(client, f"/progress/jobs?limit=2{cursor}")
            seen += [job["job_id"] for job in page["jobs"]]
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
        assert seen == [f"job {number}" for number in reversed(range(5))]
        for query in (
            "limit=0",
            "limit=1001",
            "limit=x",
            "limit=",
            "cursor=-1",
            "state=some",
            "since=5",
            "dismissed=2",
        ):
            assert (await ask(client, f"/progress/jobs?{query}", 422))["code"] == "INVALID_FIELD"


async def test_job_ids_may_contain_slashes(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for job_id in ("a/b", "/etc/passwd", "ä b", "a//b/", "../.."):
            await client.post("/progress/start", content=msgspec.json.encode({"job_id": job_id}))
            found = await client.get("/progress/job/" + "".join(f"%{byte:02x}" for byte in job_id.encode()))
            assert found.json()["job_status"]["job_id"] == job_id
