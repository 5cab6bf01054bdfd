"""Documents with hashes of secrets, tokens and links, and their files in a data directory.

A secret has 256 random bits, so a plain SHA-256 is safe: guessing is infeasible without a salt or a slow hash.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from phaseline.errors import ConfigError
from phaseline_server.atomic_files import locked, replace_file
from phaseline_server.log.secret_store import file_name

__all__ = ["ID_LENGTH", "Document", "SecretFile", "decoded", "digest", "encoded", "new_secret"]

ID_LENGTH: Final = 12
"""Characters of a hash that identify its secret to people."""
_PRIVATE: Final = 0o600

Kind = TypeVar("Kind")


class Document(Protocol):
    """A document with hashes of secrets."""

    @property
    def place(self) -> str:
        """Its file or log, in error messages."""
        ...

    def fingerprint(self) -> object:
        """Return a value that differs when the document has changed; None if it does not exist.

        Raises:
            LogUnavailable: It has not been read yet.
        """
        ...

    def read(self) -> bytes | None:
        """Return its content, or None if it does not exist; raise ConfigError if it is not readable."""
        ...

    def change(self, change: Callable[[bytes | None], bytes]) -> None:
        """Replace its content by what `change` returns for the present one. It blocks.

        Raises:
            ConfigError: It is not readable.
            DataDirError: The file is not writable.
            DiskFull: There is no room.
            LogUnavailable: The log's database is unreachable.
        """
        ...


def new_secret(prefix: str) -> str:
    """Return a new secret; by its prefix people and secret scanners recognize it."""
    return prefix + secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """Return the hash that is stored of a secret."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def decoded(content: bytes, kind: type[Kind], document: Document, noun: str) -> Kind:
    """Return the content of a document; `noun` names one secret in errors.

    Raises:
        ConfigError: The content is not valid.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        text = f"{document.place} is not a valid {noun} file: {error}; move it away and create new {noun}s"
        raise ConfigError(text) from None


def encoded(document: object) -> bytes:
    """Return a document as text that people can read."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


class SecretFile:
    """A document in a file that only this user can read; see `Document`."""

    def __init__(self, data_dir: Path, document: str) -> None:
        """Refer to the file of `document` in `data_dir`, without reading it."""
        self.path = data_dir / file_name(document)
        self._text_path = str(self.path)
        self._lock_path = self.path.with_suffix(".lock")
        self._data_dir = data_dir

    @property
    def place(self) -> str:
        """See `Document.place`."""
        return self._text_path

    def fingerprint(self) -> object:
        """See `Document.fingerprint`."""
        try:
            status = os.stat(self._text_path)  # noqa: PTH116 (called at each request; a Path takes twice as long)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.errno
        return (status.st_mtime_ns, status.st_ino, status.st_size)

    def read(self) -> bytes | None:
        """See `Document.read`."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}; make it readable for this user") from None

    def change(self, change: Callable[[bytes | None], bytes]) -> None:
        """See `Document.change`."""
        with locked(self._lock_path):
            replace_file(self.path, change(self.read()), self._data_dir, _PRIVATE)
