"""Links that show one job without a token: permissions, access and expiry."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from trio_websocket import ConnectionClosed

from phaseline_server.access import keeper, links
from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from phaseline_server.http.table import ROUTES
from tests.server.access.test_permissions import EXPECTED, first_event
from tests.support.permissions import receive, send, status_of, websocket
from tests.support.pictures import GOOD, made, studio
from tests.support.servers import serving
from tests.support.tokens import make_tokens, shown

SECRET = "other-secret"
JOB = "shot/7 é"
PATH = "/progress/job/shot%2F7%20%C3%A9"
LINKED = {
    ("GET", "/progress/job/{job_id}"),
    ("GET", "/progress/job/{job_id}/output"),
    ("GET", "/progress/job/{job_id}/estimates"),
    ("GET", "/progress/events"),
    ("GET", "/events"),
    ("POST", "/ws/ticket"),
    ("GET", "/dalle/{series}/{address}"),
}
"""The routes that a link opens, besides those that need no token."""


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def guarded(data_dir: Path, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    """Serve with tokens, the job `JOB`, and another job with `SECRET` in all texts."""
    tokens = make_tokens(data_dir)
    async with serving(data_dir, **settings) as client:
        for job_id, name in ((JOB, "Shot 7"), (SECRET, SECRET)):
            for kind, body in (("start", {"name": name, "host": name}), ("report", {"stage": "importing"})):
                answer = await client.post(
                    f"/progress/{kind}", json={"job_id": job_id, **body}, headers=bearer(tokens["admin"])
                )
                assert answer.status_code == 200
        yield client, tokens


async def linked(client: httpx.AsyncClient, tokens: dict[str, str], path: str = PATH) -> str:
    """Create a link to a job, and return its secret."""
    answer = await client.post(f"{path}/link", headers=bearer(tokens["admin"]))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["secret"])


async def test_a_link_opens_the_routes_of_its_job_and_no_other_route(tmp_path: Path) -> None:
    assert {(route.method, route.path) for route in ROUTES if route.rule.linked} == LINKED
    async with guarded(tmp_path) as (client, tokens):
        secret = await linked(client, tokens)
        for (method, path), (target, body, allowed) in EXPECTED.items():
            status = await status_of(client, method, target, body, bearer(secret))
            opened = (method, path) in LINKED or "nobody" in allowed
            assert (status == 403) != opened, (method, path, status)


async def test_a_link_reveals_nothing_about_other_jobs(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        secret = await linked(client, tokens)
        headers = bearer(secret)
        assert (await client.get(PATH, headers=headers)).json()["job_status"]["name"] == "Shot 7"
        assert (await client.get(f"{PATH}/output?after=0", headers=headers)).status_code == 200
        for path in ("other-secret", "other%2Dsecret", "shot/7%20%C3%A9/../other-secret", "shot", "", "shot%2F7"):
            answer = await client.get(f"/progress/job/{path}", headers=headers)
            assert answer.status_code == 404, path
            assert "success" in answer.text
        texts = [
            (await client.get("/progress/events?since=none/0", headers=headers)).text,
            (await client.get("/progress/events", headers=headers)).text,
            (await client.get("/", headers=headers)).text,
            (await client.get("/health", headers=headers)).text,
        ]
        event = await first_event(client, headers)
        assert [job["job_id"] for job in event["jobs"]] == [JOB]
        assert event["today"] is None
        assert SECRET not in json.dumps([*texts, event])
        assert "activeJobs" not in texts[3]


async def test_a_link_receives_the_messages_of_its_job_alone_and_reports_nothing(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        secret = await linked(client, tokens)
        ticket = (await client.post("/ws/ticket", headers=bearer(secret))).json()
        assert (ticket["scope"], ticket["job"]) == ("read", JOB)
        async with websocket(client) as socket:
            assert (await send(socket, "auth", token=ticket["ticket"]))["type"] == "auth_confirmed"
            channels = ["jobs", "photos", "system", f"job:{SECRET}", f"job:{JOB}"]
            confirmed = await send(socket, "subscribe", channels=channels, snapshot=True)
            assert confirmed["type"] == "subscription_confirmed"
            snapshot = await receive(socket)
            assert [job["job_id"] for job in snapshot["jobs"]] == [JOB]
            assert snapshot["today"] is None
            refused = await send(socket, "job_progress", job_id=JOB, stage="importing", progress=99)
            assert refused["code"] == "FORBIDDEN"
            assert (await send(socket, "host_status", host=SECRET))["code"] == "FORBIDDEN"
            assert (await receive(socket))["type"] == "pong"
            for job_id in (SECRET, JOB):
                body = {"job_id": job_id, "stage": "importing", "progress": 30}
                await client.post("/progress/report", json=body, headers=bearer(tokens["admin"]))
            message = await receive(socket)
            assert (message["type"], message["job_id"]) == ("job_progress", JOB)


async def test_admins_and_reporters_of_the_prefix_create_links(tmp_path: Path) -> None:
    expected = {
        **dict.fromkeys(("admin", "admin:shot", "report:shot"), 200),
        **dict.fromkeys(("read", "read:shot", "report", "report:other-", "admin:other-"), 403),
        "nobody": 401,
    }
    async with guarded(tmp_path) as (client, tokens):
        file = TokenFile(tmp_path)
        for scope in Scope:
            tokens[f"{scope}:shot"] = file.create(scope, "shot")[0]
        for caller, status in expected.items():
            for method in ("POST", "GET", "DELETE"):
                answer = await client.request(method, f"{PATH}/link", headers=shown(tokens, caller))
                assert answer.status_code == status, (caller, method, answer.text)
        answer = await client.post("/progress/job/none/link", headers=bearer(tokens["admin"]))
        assert answer.json()["code"] == "UNKNOWN_JOB"
        secret = await linked(client, tokens)
        assert (await client.post(f"{PATH}/link", headers=bearer(secret))).status_code == 403


async def test_links_are_listed_without_their_secrets_and_stored_as_hashes(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        headers = bearer(tokens["admin"])
        created = (await client.post(f"{PATH}/link?days=3", headers=headers)).json()
        assert created["path"] == f"job/shot%2F7%20%C3%A9#link={created['secret']}"
        listed = await client.get(f"{PATH}/link", headers=headers)
        assert [each["id"] for each in listed.json()["links"]] == [created["link"]["id"]]
        for text in (listed.text, (tmp_path / "links.json").read_text()):
            assert created["secret"] not in text
        assert (tmp_path / "links.json").stat().st_mode & 0o777 == 0o600
        for days in ("0", "366", "1.5", "x"):
            assert (await client.post(f"{PATH}/link?days={days}", headers=headers)).status_code == 422


async def test_a_revoked_link_ends_at_once_and_closes_its_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_ROUND_S", 0.05)
    async with guarded(tmp_path) as (client, tokens):
        headers = bearer(tokens["admin"])
        first, second = await linked(client, tokens), await linked(client, tokens)
        async with websocket(client, **bearer(first)) as socket:
            await send(socket, "subscribe")
            [one, _] = (await client.get(f"{PATH}/link", headers=headers)).json()["links"]
            gone = await client.delete(f"{PATH}/link?id={one['id']}", headers=headers)
            assert gone.json()["revoked"] == [one]
            answer = await client.get(PATH, headers=bearer(first))
            assert (answer.status_code, answer.json()["code"]) == (410, "LINK_ENDED")
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
            assert closed.value.reason is not None
            assert closed.value.reason.code == 4501
        assert (await client.get(PATH, headers=bearer(second))).status_code == 200
        again = await client.delete(f"{PATH}/link?id={one['id']}", headers=headers)
        assert (again.status_code, again.json()["code"]) == (404, "NO_LINK")
        await client.delete(f"{PATH}/link", headers=headers)
        assert (await client.get(PATH, headers=bearer(second))).status_code == 410


async def test_a_link_ends_when_it_expires_and_with_the_token_that_created_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with guarded(tmp_path) as (client, tokens):
        secret = await linked(client, tokens)
        assert (await client.get(PATH, headers=bearer(links.PREFIX + "wrong"))).status_code == 410
        present = time.time()
        monkeypatch.setattr(time, "time", lambda: present + 7 * 86400 - 60)
        assert (await client.get(PATH, headers=bearer(secret))).status_code == 200
        monkeypatch.setattr(time, "time", lambda: present + 7 * 86400 + 60)
        assert (await client.get(PATH, headers=bearer(secret))).status_code == 410
        monkeypatch.undo()
        file = TokenFile(tmp_path)
        creator = (await client.get(f"{PATH}/link", headers=bearer(tokens["admin"]))).json()["links"][0]["token"]
        file.revoke(creator)
        assert (await client.get(PATH, headers=bearer(secret))).status_code == 410


async def test_links_survive_a_restart_and_end_with_their_file(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        secret = await linked(client, tokens)
    async with serving(tmp_path) as client:
        assert (await client.get(PATH, headers=bearer(secret))).status_code == 200
        (tmp_path / "links.json").write_text("{")
        assert (await client.get(PATH, headers=bearer(secret))).status_code == 410
        assert (await client.get(PATH, headers=bearer(tokens["admin"]))).status_code == 200


async def test_the_number_of_links_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MAX_PER_JOB", 2)
    async with guarded(tmp_path) as (client, tokens):
        for _ in range(2):
            await linked(client, tokens)
        answer = await client.post(f"{PATH}/link", headers=bearer(tokens["admin"]))
        assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY")
        await client.delete(f"{PATH}/link", headers=bearer(tokens["admin"]))
        await linked(client, tokens)


async def test_a_server_without_tokens_needs_no_links(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a"})
        answer = await client.post("/progress/job/a/link")
        assert (answer.status_code, answer.json()["code"]) == (409, "NOT_NEEDED")


@pytest.mark.slow
async def test_a_link_to_a_picture_shows_this_picture_alone(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        for address in ("0x7", "0x8"):
            await made(client, f"/dalle/simple/{address}")
        tokens = make_tokens(tmp_path)
        secret = await linked(client, tokens, "/progress/job/dalle:simple:0x7")
        for path, status in (
            ("/dalle/simple/0x7?format=png", 200),
            ("/dalle/simple/0x8?format=png", 404),
            ("/dalle/simple/0x7?remove=1", 403),
            ("/dalle/simple/0x7?generate=1", 403),
            ("/dalle/simple/0x7?format=thumbnail", 200),
            ("/dalle/simple/0x8?format=thumbnail", 404),
            ("/gallery", 403),
            ("/files/simple/annotated/0x7.png", 403),
            ("/series", 403),
        ):
            assert (await client.get(path, headers=bearer(secret))).status_code == status, path
        preview = (await client.get("/preview", headers=bearer(secret))).text
        assert "<figure>" not in preview
