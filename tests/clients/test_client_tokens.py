"""Our clients send their token: from PROGRESS_TOKEN, or from a file that only its owner can read."""

import logging
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline.client import token as tokens_of_reporters
from phaseline.reporting import Reporter
from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from tests.support.certificates import make_certificate
from tests.support.reporting import ws_url
from tests.support.servers import ROOT, SERVER, client_of, environment, server_process

LUA = f"package.path = '{ROOT}/clients/lua/?.lua;' .. package.path"
JOB = "require('WebSocketClient').sendJobStart('shot-1', 7, {})"
IN_LUA = {
    "luasocket": [LUA, JOB, "require('WebSocketClient').flush(60)"],
    "lightroom": [LUA, f"dofile('{ROOT}/tests/clients/lightroom.lua')", JOB, "runTasks()"],
}


def lua_has_tls() -> bool:
    try:
        return subprocess.run(["lua5.1", "-l", "ssl.https", "-e", ""], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


async def words_until(complaint: str, command: list[str], env: dict[str, str]) -> str:
    """Run a program until it prints `complaint`, or to its end, and return its stderr."""
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, env=env)
    message = b""
    try:
        assert process.stderr is not None
        with trio.fail_after(60):
            async for chunk in process.stderr:
                message += chunk
                if complaint and complaint.encode() in message:
                    break
            else:
                assert await process.wait() == 0, message
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
    return message.decode()


async def jobs(url: str, token: str) -> list[str]:
    async with client_of(headers={"Authorization": f"Bearer {token}"}) as client:
        answer = await client.get(f"{url}/progress/jobs")
        answer.raise_for_status()
        return [job["job_id"] for job in answer.json()["jobs"]]


@pytest.mark.parametrize("kept_in", ["variable", "file"])
async def test_the_python_reporter_sends_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_in: str
) -> None:
    file = TokenFile(tmp_path)
    text, reader = file.create(Scope.REPORT)[0], file.create(Scope.READ)[0]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    if kept_in == "variable":
        monkeypatch.setenv("PROGRESS_TOKEN", text)
    else:
        monkeypatch.delenv("PROGRESS_TOKEN", raising=False)
        kept = tmp_path / "config" / "phaseline" / "token"
        kept.parent.mkdir(parents=True)
        kept.write_text(text + "\n")
        kept.chmod(0o600)
    async with server_process(tmp_path) as server, Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        with reporter.job("shot", job_id="shot-1"):
            pass
        assert await trio.to_thread.run_sync(reporter.flush, 60)
        assert await jobs(server.url, reader) == ["shot-1"]


async def test_a_token_for_the_readmes_job_reports_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    command = [*SERVER, "--data-dir", str(tmp_path), "token", "create", "--scope", "report", "--jobs", "shot "]
    made = await trio.run_process(command, capture_stdout=True, capture_stderr=True, env=environment())
    monkeypatch.setenv("PROGRESS_TOKEN", made.stdout.decode().strip())
    reader = TokenFile(tmp_path).create(Scope.READ)[0]
    async with server_process(tmp_path) as server:
        async with Reporter(ws_url(server.url), flush_timeout=60) as reporter:
            with reporter.job("shot 12", phases=["load", "render"]):
                pass
            with reporter.job("scene 12", job_id="scene 12"):
                pass
            assert await reporter.aflush()
        [job] = await jobs(server.url, reader)
    assert re.fullmatch("shot 12-[0-9a-f]{8}", job)
    assert "does not allow reporting job 'scene 12'; allowed: ids that begin with 'shot '" in caplog.text


async def test_without_a_token_a_reporter_keeps_its_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = TokenFile(tmp_path)
    text = file.create(Scope.ADMIN)[0]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PROGRESS_TOKEN", "phl_of-another-server")
    async with server_process(tmp_path) as server, Reporter(ws_url(server.url), flush_timeout=60) as reporter:
        with reporter.job("shot", job_id="shot-1"):
            pass
        assert not await trio.to_thread.run_sync(reporter.flush, 0.5)
        monkeypatch.setenv("PROGRESS_TOKEN", text)  # looked up at each attempt
        assert await trio.to_thread.run_sync(reporter.flush, 60)
        assert await jobs(server.url, text) == ["shot-1"]


@pytest.mark.parametrize(("content", "mode"), [("phl_x", 0o640), ("phl_x", 0o604), ("two words", 0o600), ("ü", 0o600)])
def test_a_readable_or_empty_token_file_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: str, mode: int
) -> None:
    monkeypatch.delenv("PROGRESS_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert tokens_of_reporters.token_or_warning() is None
    path = tokens_of_reporters.config_folder() / "token"
    path.parent.mkdir()
    path.write_text(content)
    path.chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert tokens_of_reporters.token_or_warning() is None
    assert str(path) in caplog.text
    assert content not in caplog.text


@pytest.mark.needs("lua5.1")
@pytest.mark.parametrize("mode", IN_LUA)
async def test_lua_sends_its_token(mode: str, tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    text, reader = file.create(Scope.REPORT)[0], file.create(Scope.READ)[0]
    async with server_process(tmp_path) as server:
        environment: dict[str, Any] = {"PROGRESS_URL": server.url, "PROGRESS_TOKEN": text, "PATH": "/usr/bin:/bin"}
        await trio.run_process(["lua5.1", "-e", "\n".join(IN_LUA[mode])], env=environment)
        assert await jobs(server.url, reader) == ["shot-1"]


@pytest.mark.skipif(not lua_has_tls() and "CI" not in os.environ, reason="LuaSec for lua5.1 is not installed")
@pytest.mark.parametrize(
    ("host", "hosts", "trusts", "complaint"),
    [
        ("127.0.0.1", "IP:127.0.0.1", True, ""),
        ("localhost", "DNS:elsewhere.test,DNS:LocalHost", True, ""),
        ("127.0.0.1", "IP:127.0.0.1", False, "certificate verify failed"),
        ("127.0.0.1", "DNS:elsewhere.test,IP:127.0.0.2", True, "not valid for 127.0.0.1"),
        ("localhost", "DNS:*.localhost,DNS:*", True, "not valid for localhost"),
    ],
)
async def test_the_lua_client_only_reports_to_a_host_with_a_trusted_certificate(
    tmp_path: Path, host: str, hosts: str, trusts: bool, complaint: str
) -> None:
    file, certificate = TokenFile(tmp_path), make_certificate(tmp_path, hosts=hosts)
    text, reader = file.create(Scope.REPORT)[0], file.create(Scope.READ)[0]
    flags = ["--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key)]
    async with server_process(tmp_path, *flags) as server:
        message = {
            "PROGRESS_URL": server.url.replace("127.0.0.1", host),
            "PROGRESS_TOKEN": text,
            "PATH": "/usr/bin:/bin",
        }
        if trusts:
            message["SSL_CERT_FILE"] = str(certificate.certificate)
        lua = f"{LUA}\n{JOB}\nrequire('WebSocketClient').flush(60)"
        reported = await words_until(complaint, ["lua5.1", "-e", lua], message)
        anybody = certificate.trusted()
        anybody.check_hostname = False
        async with client_of(verify=anybody, headers={"Authorization": f"Bearer {reader}"}) as client:
            found = (await client.get(f"{server.url}/progress/jobs")).json()["jobs"]
    assert [job["job_id"] for job in found] == ([] if complaint else ["shot-1"])
    # It waits 2 s for an answer, and may report that none came.
    assert ("certificate" in reported) is bool(complaint)
    assert complaint in reported
