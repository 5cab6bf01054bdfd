"""A server without tokens and TLS does not listen on the network."""

from pathlib import Path

import pytest
import trio

from phaseline.errors import ConfigError
from phaseline_server.access.exposure import check_exposure
from phaseline_server.access.grant import Scope
from phaseline_server.access.keeper import Keeper
from phaseline_server.access.secret_sources import FileSecrets
from phaseline_server.access.tokens import TokenFile
from phaseline_server.config.settings import Settings
from phaseline_server.door import open_listeners
from phaseline_server.runtime.server import serve
from tests.support.certificates import make_certificate

EVERYWHERE = "0.0.0.0:0"


async def starts(data_dir: Path, bind: str, **settings: object) -> str:
    """Return "" if a server starts, or its error otherwise."""
    listeners = await open_listeners([bind], explicit=True)
    try:
        check_exposure(
            Settings(bind=(bind,), data_dir=str(data_dir), **settings),  # type: ignore[arg-type]
            listeners,
            is_open=Keeper(FileSecrets(data_dir), 1).is_open,
        )
    except ConfigError as error:
        return str(error)
    finally:
        for listener in listeners:
            listener.socket.close()
    return ""


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "localhost:0"])
async def test_a_loopback_listener_needs_neither_tokens_nor_tls(tmp_path: Path, bind: str) -> None:
    assert await starts(tmp_path, bind) == ""


@pytest.mark.parametrize(
    ("tokens", "tls", "missing"),
    [
        (False, False, ["no tokens", "no TLS"]),
        (True, False, ["no TLS"]),
        (False, True, ["no tokens"]),
        (True, True, []),
    ],
)
async def test_a_network_listener_needs_tokens_and_tls(
    tmp_path: Path, tokens: bool, tls: bool, missing: list[str]
) -> None:
    if tokens:
        TokenFile(tmp_path).create(Scope.READ)
    output = await starts(tmp_path, EVERYWHERE, tls_cert="cert.pem" if tls else "")
    assert [text for text in ("no tokens", "no TLS") if text in output] == missing
    assert ("--insecure" in output) == bool(missing)


async def test_insecure_allows_a_network_listener_without_both(tmp_path: Path) -> None:
    assert await starts(tmp_path, EVERYWHERE, insecure=True) == ""


async def test_an_unprotected_server_does_not_start_on_the_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="other machines can connect to"):
        await serve(Settings(bind=(EVERYWHERE,), data_dir=str(tmp_path)))


@pytest.mark.needs("openssl")
async def test_a_server_with_tokens_and_tls_starts_on_the_network(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    TokenFile(tmp_path).create(Scope.READ)
    files = {"tls_cert": str(made.certificate), "tls_key": str(made.key)}
    settings = Settings(bind=(EVERYWHERE,), data_dir=str(tmp_path), **files)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(lambda task_status: serve(settings, task_status=task_status))
        assert url.startswith("https://")
        nursery.cancel_scope.cancel()
