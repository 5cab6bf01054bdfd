"""`progress-server token`, and the file that it keeps."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
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


def test_the_data_directory_may_be_given_before_or_after_each_subcommand(tmp_path: Path) -> None:
    token(tmp_path, "create", "--scope", "read")
    place = ["--data-dir", str(tmp_path)]
    config = tmp_path / "phaseline.toml"
    config.write_text(f'data_dir = "{tmp_path}"')
    calls = (
        [*place, "token", "list"],
        ["token", *place, "list"],
        ["token", "list", *place],
        ["--data-dir", str(tmp_path / "other"), "token", "list", *place],
        ["token", "list", "--config", str(config)],
    )
    for call in calls:
        result = CliRunner().invoke(progress_server, call)
        assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1), (call, result.output)


def test_the_first_token_is_announced_and_an_empty_list_explains_itself(tmp_path: Path) -> None:
    assert "no tokens: every local client has full access" in token(tmp_path, "list").stderr
    announcement = "this is the first token: from now on, every client needs one"
    assert announcement in token(tmp_path, "create", "--scope", "read").stderr
    assert announcement not in token(tmp_path, "create", "--scope", "read").stderr
    assert token(tmp_path, "list").stderr == ""


def test_an_empty_prefix_is_rejected(tmp_path: Path) -> None:
    result = token(tmp_path, "create", "--scope", "read", "--jobs", "")
    assert result.exit_code == 2
    assert "leave --jobs out for all jobs" in result.stderr
    assert TokenFile(tmp_path).read() is None


def test_a_token_is_printed_once_and_stored_as_its_hash(tmp_path: Path) -> None:
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


def test_tokens_are_listed_with_their_ids_and_revoked_by_them(tmp_path: Path) -> None:
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


def test_tokens_that_are_created_and_revoked_at_once_are_all_kept_and_all_gone(tmp_path: Path) -> None:
    old = [TokenFile(tmp_path).create(Scope.READ)[1].id for _ in range(8)]
    with ThreadPoolExecutor(16) as pool:
        gone = [pool.submit(TokenFile(tmp_path).revoke, each) for each in old]
        made = [pool.submit(TokenFile(tmp_path).create, Scope.REPORT) for _ in old]
    assert [each.result().id for each in gone] == old
    assert {token.id for token in TokenFile(tmp_path).read() or ()} == {each.result()[1].id for each in made}


@pytest.mark.parametrize("ttl", ["0d", "-1d", "5y", "d", "1.5h", "９d", "99999999w"])
def test_an_invalid_lifetime_is_rejected_with_an_example(tmp_path: Path, ttl: str) -> None:
    result = token(tmp_path, "create", "--scope", "read", "--ttl", ttl)
    assert result.exit_code == 2
    assert "e.g. 12h or 30d" in result.stderr
    assert TokenFile(tmp_path).read() is None


def test_an_unknown_id_or_directory_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    token(tmp_path, "create", "--scope", "read")
    unknown = token(tmp_path, "revoke", "nonsense")
    assert (unknown.exit_code, len(unknown.stderr.splitlines())) == (2, 1)
    assert "no token has the id 'nonsense'; known ids: " in unknown.stderr
    for command in (["create", "--scope", "read"], ["list"], ["revoke", "nonsense"]):
        gone = token(tmp_path / "gone", *command)
        assert (gone.exit_code, len(gone.stderr.splitlines())) == (2, 1)
        assert "does not exist" in gone.stderr


@pytest.mark.parametrize("content", [b"", b"[]", b'{"tokens": [{}]}', b"\xff", b'{"tokens": 1}'])
def test_an_invalid_token_file_is_an_error_and_gives_no_access(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokens.json").write_bytes(content)
    with pytest.raises(ConfigError, match="is not a valid token file"):
        TokenFile(tmp_path).read()
