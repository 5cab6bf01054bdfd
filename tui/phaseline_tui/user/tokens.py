"""The user's tokens, and the certificates to trust."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from phaseline.client.token import checked_token, config_folder, read_secret, token
from phaseline.errors import ConfigError, shown
from phaseline_tui.model.access import Access
from phaseline_tui.model.words import count_of

__all__ = ["read_access"]

_PAIR: Final = 2


def read_access(environ: Mapping[str, str], ca_file: str | None = None) -> Access:
    """Return the tokens for all servers.

    `~/.config/phaseline/tokens` holds tokens for single hosts, one `host token` per line. All other servers get the
    token that reporters use (`phaseline.client.token`).

    Args:
        environ: The environment; `XDG_CONFIG_HOME` replaces `~/.config`.
        ca_file: CA certificates to trust in addition to the system's.

    Raises:
        ConfigError: A token is malformed, others can read its file, or `ca_file` does not exist.
    """
    if ca_file is not None and not Path(ca_file).is_file():
        raise ConfigError(f"--ca is {shown(ca_file)}, which is not a file; allowed: a PEM file of certificates")
    path = config_folder(environ) / "tokens"
    special: list[tuple[str, str]] = []
    for number, line in enumerate(read_secret(path).splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"line {number} of {path}"
        if len(words) != _PAIR:
            raise ConfigError(f"{where} has {count_of(len(words), 'word')}; allowed: a host and its token")
        special.append((words[0], checked_token(words[1], where)))
    return Access(token(environ), tuple(special), ca_file)
