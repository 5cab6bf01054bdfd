"""Tokens, tickets and links of servers that share a log: each is valid at every server, also after a failover."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trio
from click.testing import CliRunner

from phaseline_server.access.grant import Scope
from phaseline_server.access.secret_files import ID_LENGTH, digest
from phaseline_server.access.tokens import TokenFile
from phaseline_server.cli.commands import progress_server
from tests.server.runtime.test_shared_log import folder, run_program
from tests.support.certificates import make_certificate
from tests.support.crashing import Crashing, crashing
from tests.support.permissions import send, status_of, websocket
from tests.support.postgres import Postgres, postgres_server
from tests.support.postgres_pair import PostgresPair
from tests.support.servers import server_process

pytestmark = pytest.mark.needs("postgres")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def created(url: str, scope: str = "admin", *more: str) -> str:
    """Create a token as the program does, and return it."""
    arguments = ["token", "create", "--log", url, "--scope", scope, *more]
    done = await trio.to_thread.run_sync(CliRunner().invoke, progress_server, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


async def answers(box: Crashing, status: int, token: str = "", path: str = "/progress/jobs") -> httpx.Response:
    """Return the answer to a request once it has this status."""
    with trio.fail_after(60):
        while True:
            with suppress(httpx.TransportError):  # a server that begins to lead closes connections
                answer = await box.client.get(path, headers=bearer(token) if token else {})
                if answer.status_code == status:
                    return answer
            await trio.sleep(0.02)


async def has_role(box: Crashing, role: str) -> None:
    """Return once a server has a role."""
    with trio.fail_after(60):
        while True:
            with suppress(httpx.TransportError):
                health = (await box.client.get("/health")).json()
                if health["role"] == role and health.get("leader"):
                    return
            await trio.sleep(0.02)


@asynccontextmanager
async def two_servers(url: str, tmp_path: Path, token: str) -> AsyncIterator[tuple[Crashing, Crashing]]:
    """Run a leader and a follower, with a job `a`."""
    async with crashing(folder(tmp_path, "one"), "--log", url) as one:
        await has_role(one, "leader")
        started = await one.client.post("/progress/start", json={"job_id": "a"}, headers=bearer(token))
        assert started.status_code == 200, started.text
        async with crashing(folder(tmp_path, "other"), "--log", url) as other:
            await answers(other, 200, token, "/progress/job/a")
            await has_role(other, "follower")
            yield one, other


@pytest.mark.slow
async def test_a_token_is_valid_at_every_server_until_it_is_revoked(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    code, printed = await run_program("token", "create", "--log", url, "--scope", "admin")  # it creates the log
    assert (code, "this is the first token" in printed) == (0, True), printed
    admin = next(line for line in printed.splitlines() if line.startswith("phl_"))
    async with two_servers(url, tmp_path, admin) as both:
        reader = await created(url, "read", "--ttl", "1h")
        for box in both:
            assert (await box.client.get("/progress/jobs", headers=bearer(reader))).status_code == 200  # at once
            assert (await box.client.get("/progress/jobs")).status_code == 401
        code, listed = await run_program("token", "list", "--log", url)
        assert (code, [line.split()[1] for line in listed.splitlines()]) == (0, ["admin", "read"])
        async with websocket(both[1].client, **bearer(reader)) as socket:
            await send(socket, "subscribe")
            assert await run_program("token", "revoke", "--log", url, listed.splitlines()[1].split()[0]) == (0, "")
            for box in both:
                await answers(box, 401, reader)
            assert (await send(socket, "ping"))["type"] in {"closed", "pong"}
            with trio.fail_after(10):
                while (await send(socket, "ping"))["type"] != "closed":
                    pass
        for box in both:
            assert (await box.client.get("/progress/jobs", headers=bearer(admin))).status_code == 200
        stored = postgres.query("SELECT encode(document, 'escape') FROM phaseline.secrets", url.rpartition("/")[2])
        assert admin not in str(stored)
        assert digest(admin) in str(stored)


async def ticket_of(box: Crashing, token: str) -> str:
    answer = await box.client.post("/ws/ticket", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    ticket: str = answer.json()["ticket"]
    return ticket


async def opens(box: Crashing, ticket: str) -> int:
    """Return a server's status for a stream that is opened with a ticket."""
    return await status_of(box.client, "GET", f"/events?ticket={ticket}", None, {})


async def test_a_ticket_is_accepted_once_by_any_server(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    admin = await created(url)
    async with two_servers(url, tmp_path, admin) as (one, other):
        for issuer, user in ((one, other), (other, one), (one, one), (other, other)):
            ticket = await ticket_of(issuer, admin)
            assert [await opens(box, ticket) for box in (user, one, other)] == [200, 401, 401]
        async with websocket(one.client, f"/ws?ticket={await ticket_of(other, admin)}") as socket:
            assert (await send(socket, "subscribe"))["type"] == "subscription_confirmed"


async def test_a_client_with_a_ticket_reports_to_a_follower(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    admin = await created(url)
    reporter = await created(url, "report", "--jobs", "a")
    async with two_servers(url, tmp_path, admin) as (one, other):
        body = {"stage": "render", "producer": "page", "progress": 10}
        for path, ticket in (
            (f"/ws?ticket={await ticket_of(one, reporter)}", ""),
            ("/ws", await ticket_of(one, reporter)),
        ):
            async with websocket(other.client, path) as socket:
                if ticket:
                    assert (await send(socket, "auth", token=ticket))["type"] == "auth_confirmed"
                await send(socket, "register", acks=True, producer="page")
                answer = await send(socket, "job_progress", job_id="a", producer_seq=1, **body)
                assert (answer["type"], answer["seq"]) == ("ack", 2), answer  # the leader knows whose report it is
                rejected = await send(socket, "job_progress", job_id="b", producer_seq=2, **body)
                assert rejected["code"] == "FORBIDDEN"
        found = await one.client.get("/progress/job/a", headers=bearer(admin))
        assert found.json()["job_status"]["progress"] == 10


async def test_a_forged_pass_of_a_server_is_rejected(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    admin = await created(url)
    admin_id = digest(admin)[:ID_LENGTH]
    reader = await created(url, "read")
    async with crashing(folder(tmp_path, "one"), "--log", url) as one:
        await answers(one, 200, admin)
        for text in ("php_forged", reader, await ticket_of(one, admin)):
            headers = bearer(text) | {"Phaseline-Forwarded": admin_id}
            answer = await one.client.post("/progress/start", json={"job_id": "x"}, headers=headers)
            assert answer.status_code == (403 if text == reader else 401), answer.text


@pytest.mark.slow
async def test_a_link_is_valid_at_every_server_and_survives_a_failover(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    admin = await created(url)
    async with two_servers(url, tmp_path, admin) as (one, other):
        secrets = [
            (await box.client.post("/progress/job/a/link", headers=bearer(admin))).json()["secret"]
            for box in (one, other)
        ]
        for box in (one, other):
            for secret in secrets:
                assert (await box.client.get("/progress/job/a", headers=bearer(secret))).status_code == 200
        os.kill(one.server.process.pid, signal.SIGSTOP)
        alone = await other.client.post("/progress/job/a/link", headers=bearer(admin))
        assert alone.status_code == 200, "a follower needs no leader for that"
        secrets.append(alone.json()["secret"])
        await one.kill()
        await has_role(other, "leader")
        for secret in secrets:
            await answers(other, 200, secret, "/progress/job/a")
        async with crashing(folder(tmp_path, "one"), "--log", url) as third:
            await answers(third, 200, admin, "/progress/job/a")
            revoked = await third.client.delete("/progress/job/a/link", headers=bearer(admin))
            assert (revoked.status_code, len(revoked.json()["revoked"])) == (200, 3), revoked.text
            for secret in secrets:
                assert (await answers(other, 410, secret, "/progress/job/a")).json()["code"] == "LINK_ENDED"


@pytest.mark.slow
async def test_a_server_without_its_log_grants_no_access_and_keeps_its_known_tokens(tmp_path: Path) -> None:
    with postgres_server() as postgres:
        url = postgres.new_database()
        admin = await created(url)
        postgres.stop()
        async with crashing(folder(tmp_path), "--log", url) as box:
            for headers in ({}, bearer(admin)):
                answer = await box.client.get("/progress/jobs", headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE")
            postgres.start()
            await answers(box, 200, admin)
            assert (await box.client.get("/progress/jobs")).status_code == 401
            postgres.stop(signal.SIGQUIT)
            assert (await box.client.get("/progress/job/none", headers=bearer("phl_unknown"))).status_code == 401
            assert (await box.client.get("/progress/jobs", headers=bearer(admin))).status_code in {200, 503}
            # Pages can still connect, with tickets that only this server accepts.
            ticket = await ticket_of(box, admin)
            assert await opens(box, ticket) == 200
            assert await opens(box, ticket) in {401, 503}  # the log would have to decide
            postgres.start()


async def test_the_first_server_copies_its_token_file_into_the_log(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    texts = [TokenFile(folder(tmp_path, name)).create(Scope.ADMIN)[0] for name in ("one", "other")]
    async with crashing(folder(tmp_path, "one"), "--log", url) as one:
        await answers(one, 200, texts[0])
        assert len([line for line in one.server.log if "was copied into the log" in line]) == 1
        async with crashing(folder(tmp_path, "other"), "--log", url) as other:
            await answers(other, 200, texts[0])
            assert (await other.client.get("/progress/jobs", headers=bearer(texts[1]))).status_code == 401
            assert [line for line in other.server.log if "tokens.json is not used" in line]
    TokenFile(tmp_path / "one").document.path.unlink()  # type: ignore[attr-defined]
    async with crashing(folder(tmp_path, "one"), "--log", url) as one:
        await answers(one, 200, texts[0])
        assert (await one.client.get("/progress/jobs")).status_code == 401


@pytest.mark.slow
@pytest.mark.needs("openssl")
async def test_a_server_on_the_network_needs_shared_tokens(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    flags = ["--log", "", "--tls-cert", str(made.certificate), "--tls-key", str(made.key)]
    with postgres_server() as postgres, trio.fail_after(120):
        flags[1] = postgres.new_database()
        code, printed = await run_program("--bind", "0.0.0.0:0", "--data-dir", str(folder(tmp_path)), *flags)
        assert (code, "with no tokens (create one with" in printed) == (2, True), printed
        postgres.stop()
        async with server_process(folder(tmp_path), *flags, bind="0.0.0.0:0") as server:  # it can't know, so it waits
            postgres.start()
            assert await server.process.wait() == 2
            while not any("with no tokens (create one with" in line for line in server.log):
                await trio.lowlevel.checkpoint()
        await created(flags[1])
        async with server_process(folder(tmp_path), *flags, bind="0.0.0.0:0") as server:
            assert server.url.startswith("https://0.0.0.0:")


@pytest.mark.slow
async def test_tokens_survive_a_failover_of_the_database_and_unused_tickets_do_not(
    postgres_pair: PostgresPair, tmp_path: Path
) -> None:
    url = postgres_pair.new_database()
    admin = await created(url)
    async with crashing(folder(tmp_path), "--log", url) as box:
        await answers(box, 200, admin)
        ticket = await ticket_of(box, admin)
        await trio.to_thread.run_sync(postgres_pair.fail_over)
        await trio.to_thread.run_sync(postgres_pair.rejoin)
        await answers(box, 200, admin, "/progress/active")
        with trio.fail_after(60):
            while (status := await opens(box, ticket)) == 503:  # until the server has found the new primary
                await trio.lowlevel.checkpoint()
        assert status == 401
        with trio.fail_after(60):
            while await opens(box, await ticket_of(box, admin)) != 200:
                await trio.lowlevel.checkpoint()
        reader = await created(url, "read")
        await answers(box, 200, reader)
