"""Tokens: created by `progress-server token`, stored as hashes in `tokens.json`, reloaded by a running server."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from phaseline.errors import ConfigError
from phaseline_server.access.grant import Grant, Scope
from phaseline_server.access.secret_files import ID_LENGTH, digest, new_secret, read_document, write_document
from phaseline_server.atomic_files import locked

__all__ = ["FILE_NAME", "Token", "TokenFile"]

FILE_NAME: Final = "tokens.json"
_PREFIX: Final = "phl_"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """The stored part of one token.

    Attributes:
        sha256: The SHA-256 of the token, in hexadecimal.
        scope: Its scope.
        jobs: The job id prefix that it is limited to; "" for none.
        created: When it was created, in seconds since 1970.
        expires: When it expires, in seconds since 1970; None for never.
    """

    sha256: str
    scope: Scope
    jobs: str = ""
    created: float = 0.0
    expires: float | None = None

    @property
    def id(self) -> str:
        """The short id that identifies it to people."""
        return self.sha256[:ID_LENGTH]

    @property
    def expired(self) -> bool:
        """Whether it has expired."""
        return self.expires is not None and self.expires <= time.time()

    @property
    def grant(self) -> Grant:
        """Its grant."""
        return Grant(self.scope, self.jobs, self.id)


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    tokens: tuple[Token, ...] = ()


class TokenFile:
    """The file `tokens.json` in a data directory. While it does not exist, the server needs no token."""

    def __init__(self, data_dir: Path) -> None:
        """Refer to the file in `data_dir`, without reading it."""
        self.path = data_dir / FILE_NAME
        self._lock_path = self.path.with_suffix(".lock")
        self._data_dir = data_dir

    def read(self) -> tuple[Token, ...] | None:
        """Return all tokens, or None if the file does not exist.

        Raises:
            ConfigError: The file is not readable or not valid.
        """
        document = read_document(self.path, _Document, "token")
        return None if document is None else document.tokens

    def create(self, scope: Scope, jobs: str = "", ttl_s: float | None = None) -> tuple[str, Token]:
        """Create a token.

        Args:
            scope: Its scope.
            jobs: The job id prefix to limit it to.
            ttl_s: Its lifetime, in seconds; None for no limit.

        Returns:
            The token, which cannot be read again later, and its stored part.

        Raises:
            ConfigError: See `read`.
            DataDirError: The file is not writable.
            DiskFull: The disk is full.
        """
        text, now = new_secret(_PREFIX), time.time()
        token = Token(
            sha256=digest(text), scope=scope, jobs=jobs, created=now, expires=None if ttl_s is None else now + ttl_s
        )
        with locked(self._lock_path):
            self._write([*(self.read() or ()), token])
        return text, token

    def revoke(self, token_id: str) -> Token:
        """Delete the token with this id and return its stored part.

        Raises:
            ConfigError: No token has this id, or see `read`.
            DataDirError: The file is not writable.
            DiskFull: The disk is full.
        """
        with locked(self._lock_path):
            tokens = self.read() or ()
            found = next((token for token in tokens if token.id == token_id), None)
            if found is None:
                known = ", ".join(token.id for token in tokens) or "none"
                raise ConfigError(f"no token has the id {token_id!a}; known ids: {known}")
            self._write(token for token in tokens if token is not found)
            return found

    def _write(self, tokens: Iterable[Token]) -> None:
        write_document(self.path, _Document(tokens=tuple(tokens)), self._data_dir)
