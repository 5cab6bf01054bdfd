"""Tokens: made by `progress-server token`, kept as hashes in `tokens.json`, seen by a running server at once.

A token is 256 random bits, so a plain SHA-256 of it tells nobody anything, and needs neither salt nor slowness.
"""

import hashlib
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from phaseline.errors import ConfigError
from phaseline_server.access.grant import Grant, Scope
from phaseline_server.atomic_files import replace_file

__all__ = ["FILE_NAME", "Token", "TokenFile"]

FILE_NAME: Final = "tokens.json"
_PREFIX: Final = "phl_"  # by which people and secret scanners know one
_PRIVATE: Final = 0o600
_ID_LENGTH: Final = 12


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one token.

    Attributes:
        sha256: Of the token, in hexadecimal.
        scope: What it is good for.
        jobs: The prefix that it is confined to; "" for none.
        created: When it was made, in seconds since 1970.
        expires: When it ends, in seconds since 1970; None for never.
    """

    sha256: str
    scope: Scope
    jobs: str = ""
    created: float = 0.0
    expires: float | None = None

    @property
    def id(self) -> str:
        """What people call it by."""
        return self.sha256[:_ID_LENGTH]

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= time.time()

    @property
    def grant(self) -> Grant:
        """What it permits."""
        return Grant(self.scope, self.jobs, self.id)


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    tokens: tuple[Token, ...] = ()


class TokenFile:
    """`tokens.json` of one data directory, or none: as long as it never existed, the server is open to its machine."""

    def __init__(self, data_dir: Path) -> None:
        """Know where it lies; nothing is read yet."""
        self.path = data_dir / FILE_NAME
        self._data_dir = data_dir

    def read(self) -> tuple[Token, ...] | None:
        """Return all tokens, None if the file does not exist.

        Raises:
            ConfigError: It can't be read, or is no file of tokens. Nobody is let in then.
        """
        try:
            document = msgspec.json.decode(self.path.read_bytes(), type=_Document)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.path} can't be read: {error.strerror}; make it readable for this user") from None
        except (msgspec.MsgspecError, UnicodeError) as error:
            text = f"{self.path} is no file of tokens: {error}; move it away, and make the tokens anew"
            raise ConfigError(text) from None
        return document.tokens

    def create(self, scope: Scope, jobs: str = "", ttl_s: float | None = None) -> tuple[str, Token]:
        """Make a token, and return it with what is kept of it: it is shown this once.

        Args:
            scope: What it is good for.
            jobs: The prefix that it is confined to.
            ttl_s: How long it is good, in seconds; None for ever.

        Raises:
            ConfigError: As `read`.
            DataDirError: The file can't be written.
            DiskFull: The disk takes no more.
        """
        text, now = _PREFIX + secrets.token_urlsafe(32), time.time()
        token = Token(
            sha256=digest(text), scope=scope, jobs=jobs, created=now, expires=None if ttl_s is None else now + ttl_s
        )
        self._write([*(self.read() or ()), token])
        return text, token

    def revoke(self, token_id: str) -> Token:
        """Remove the token of this id, and return what was kept of it; raises as `create`, ConfigError if none is."""
        tokens = self.read() or ()
        found = next((token for token in tokens if token.id == token_id), None)
        if found is None:
            known = ", ".join(token.id for token in tokens) or "none"
            raise ConfigError(f"no token has the id {token_id!a}; there are: {known}")
        self._write(token for token in tokens if token is not found)
        return found

    def _write(self, tokens: Iterable[Token]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_Document(tokens=tuple(tokens))), indent=2)
        replace_file(self.path, content + b"\n", self._data_dir, _PRIVATE)


def digest(text: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
