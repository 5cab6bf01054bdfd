"""Tokens: created by `progress-server token`, stored as hashes, reloaded by a running server.

They are in `tokens.json`, or in the log if servers share it.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from phaseline.errors import ConfigError
from phaseline_server.access.grant import Grant, Scope
from phaseline_server.access.secret_files import (
    ID_LENGTH,
    Document,
    SecretFile,
    decoded,
    digest,
    encoded,
    new_secret,
)

__all__ = ["DOCUMENT", "Token", "TokenFile", "Tokens"]

DOCUMENT: Final = "tokens"
"""The name of the document that has them."""
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


class _TokenDocument(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    tokens: tuple[Token, ...] = ()


class Tokens:
    """The stored tokens. While their document does not exist, the server needs no token."""

    def __init__(self, document: Document) -> None:
        """Use `document`."""
        self.document = document

    def read(self) -> tuple[Token, ...] | None:
        """Return all tokens, or None if the document does not exist.

        Raises:
            ConfigError: The document is not readable or not valid.
            LogUnavailable: It has not been read yet.
        """
        return self._decoded(self.document.read())

    def create(self, scope: Scope, jobs: str = "", ttl_s: float | None = None) -> tuple[str, Token]:
        """Create a token.

        Args:
            scope: Its scope.
            jobs: The job id prefix to limit it to.
            ttl_s: Its lifetime, in seconds; None for no limit.

        Returns:
            The token, which cannot be read again later, and its stored part.

        Raises:
            PhaselineError: See `Document.change`.
        """
        text, now = new_secret(_PREFIX), time.time()
        token = Token(
            sha256=digest(text), scope=scope, jobs=jobs, created=now, expires=None if ttl_s is None else now + ttl_s
        )
        self._change(lambda tokens: [*tokens, token])
        return text, token

    def revoke(self, token_id: str) -> Token:
        """Delete the token with this id and return its stored part.

        Raises:
            ConfigError: No token has this id.
            PhaselineError: See `Document.change`.
        """
        revoked: list[Token] = []

        def remove(tokens: tuple[Token, ...]) -> Iterable[Token]:
            found = next((token for token in tokens if token.id == token_id), None)
            if found is None:
                known = ", ".join(token.id for token in tokens) or "none"
                raise ConfigError(f"no token has the id {token_id!a}; known ids: {known}")
            revoked.append(found)
            return [token for token in tokens if token is not found]

        self._change(remove)
        return revoked[0]

    def _change(self, change: Callable[[tuple[Token, ...]], Iterable[Token]]) -> None:
        self.document.change(
            lambda content: encoded(_TokenDocument(tokens=tuple(change(self._decoded(content) or ()))))
        )

    def _decoded(self, content: bytes | None) -> tuple[Token, ...] | None:
        return None if content is None else decoded(content, _TokenDocument, self.document, "token").tokens


class TokenFile(Tokens):
    """The tokens of a server whose log is not shared."""

    def __init__(self, data_dir: Path) -> None:
        """Refer to the file in `data_dir`, without reading it."""
        super().__init__(SecretFile(data_dir, DOCUMENT))
