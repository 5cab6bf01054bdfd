"""Sources of tokens, and the rejection of token files that others can read."""

from pathlib import Path

import pytest

from phaseline.errors import ConfigError
from phaseline_tui.user.tokens import read_access


def write(folder: Path, name: str, text: str, mode: int = 0o600) -> None:
    path = folder / "phaseline" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def test_a_host_token_overrides_the_variable_which_overrides_the_file(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert read_access(environ).token_for("box") == ""
    write(tmp_path, "token", "general\n")
    assert read_access(environ).token_for("box") == "general"
    write(tmp_path, "tokens", "# ours\n\nbox special\n")
    access = read_access(environ | {"PROGRESS_TOKEN": " given "})
    assert (access.token_for("box"), access.token_for("other")) == ("special", "given")
    assert "given" not in repr(access)
    assert "special" not in repr(access)


def test_a_token_in_the_home_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / ".config").mkdir()
    write(tmp_path / ".config", "token", "mine")
    assert read_access({"HOME": str(tmp_path)}).token == "mine"


@pytest.mark.parametrize(
    ("name", "text", "mode", "words"),
    [
        ("token", "secret", 0o640, "has mode 0640; allowed: 0600"),
        ("tokens", "box secret", 0o604, "has mode 0604; allowed: 0600"),
        ("token", "two secrets", 0o600, "is not a token: it has 11 characters"),
        ("token", "s" * 501, 0o600, "it has 501 characters"),
        ("tokens", "box\nbox a b", 0o600, "line 1 of .* has 1 word; allowed: a host and its token"),
    ],
)
def test_an_error_does_not_show_the_secret(tmp_path: Path, name: str, text: str, mode: int, words: str) -> None:
    write(tmp_path, name, text, mode)
    with pytest.raises(ConfigError, match=words) as caught:
        read_access({"XDG_CONFIG_HOME": str(tmp_path)})
    assert "secret" not in str(caught.value).replace("is secret", "")


def test_the_ca_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--ca is .* which is not a file"):
        read_access({}, str(tmp_path / "none.pem"))
