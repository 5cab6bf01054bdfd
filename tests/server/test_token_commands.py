"""`progress-server token`, and the file that it keeps."""

import re
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phaseline.errors import ConfigError
from phaseline_server.access.grant import Grant, Scope
from phaseline_server.access.tokens import TokenFile
from phaseline_server.cli.commands import progress_server


def token(data_dir: Path, *arguments: str) -> Result:
    flags = ["--data-dir", str(data_dir), "token", *arguments]
    return CliRunner().invoke(progress_server, flags, prog_name="progress-server")


def test_a_token_is_shown_once_and_kept_as_its_hash(tmp_path: Path) -> None:
    made = token(tmp_path, "create", "--scope", "report", "--jobs", "shot-", "--ttl", "30d")
    text = made.stdout.strip()
    assert re.fullmatch(r"phl_[A-Za-z0-9_-]{43}", text)
    file = tmp_path / "tokens.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert text not in file.read_text()
    assert text[4:] not in token(tmp_path, "list").output
    [kept] = TokenFile(tmp_path).read() or ()
    assert kept.grant == Grant(Scope.REPORT, "shot-", kept.id)
    assert kept.expires is not None
    assert kept.expires - kept.created == 30 * 86_400
    assert kept.id in made.stderr


def test_the_list_names_each_by_its_id_and_revoke_takes_one_out(tmp_path: Path) -> None:
    for scope in ("read", "admin"):
        token(tmp_path, "create", "--scope", scope)
    first, second = token(tmp_path, "list").stdout.splitlines()
    assert re.fullmatch(r"[0-9a-f]{12}  read    created \S+Z  never expires  jobs all", first)
    revoked = token(tmp_path, "revoke", first.split()[0])
    assert (revoked.exit_code, revoked.output) == (0, "")
    assert token(tmp_path, "list").stdout.splitlines() == [second]
    last = token(tmp_path, "revoke", second.split()[0])
    assert "rejects all clients" in last.stderr
    assert TokenFile(tmp_path).read() == ()


@pytest.mark.parametrize("ttl", ["0d", "-1d", "5y", "d", "1.5h", "９d", "99999999w"])
def test_a_time_to_live_that_is_none_is_told_what_one_is(tmp_path: Path, ttl: str) -> None:
    result = token(tmp_path, "create", "--scope", "read", "--ttl", ttl)
    assert result.exit_code == 2
    assert "e.g. 12h or 30d" in result.stderr
    assert TokenFile(tmp_path).read() is None


def test_what_can_t_be_done_is_one_line_and_exit_2(tmp_path: Path) -> None:
    token(tmp_path, "create", "--scope", "read")
    unknown = token(tmp_path, "revoke", "nonsense")
    assert (unknown.exit_code, len(unknown.stderr.splitlines())) == (2, 1)
    assert "no token has the id 'nonsense'; known ids: " in unknown.stderr
    gone = token(tmp_path / "gone", "create", "--scope", "read")
    assert (gone.exit_code, len(gone.stderr.splitlines())) == (2, 1)
    assert "does not exist" in gone.stderr


@pytest.mark.parametrize("content", [b"", b"[]", b'{"tokens": [{}]}', b"\xff", b'{"tokens": 1}'])
def test_a_file_that_is_none_of_tokens_is_an_error_and_not_an_open_door(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokens.json").write_bytes(content)
    with pytest.raises(ConfigError, match="is not a valid token file"):
        TokenFile(tmp_path).read()
