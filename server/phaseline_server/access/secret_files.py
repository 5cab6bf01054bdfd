"""Files that hold hashes of secrets: `tokens.json` and `links.json`. Only this user can read them.

A secret has 256 random bits, so a plain SHA-256 is safe: guessing is infeasible without a salt or a slow hash.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from phaseline.errors import ConfigError
from phaseline_server.atomic_files import replace_file

__all__ = ["ID_LENGTH", "digest", "fingerprint", "new_secret", "read_document", "write_document"]

ID_LENGTH: Final = 12
"""Characters of a hash that identify its secret to people."""
_PRIVATE: Final = 0o600

Document = TypeVar("Document")


def new_secret(prefix: str) -> str:
    """Return a new secret; by its prefix people and secret scanners recognize it."""
    return prefix + secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """Return the hash that is stored of a secret."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_document(path: Path, kind: type[Document], noun: str) -> Document | None:
    """Return the content of a file, or None if it does not exist; `noun` names one secret in errors.

    Raises:
        ConfigError: The file is not readable or not valid.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; make it readable for this user") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        text = f"{path} is not a valid {noun} file: {error}; move it away and create new {noun}s"
        raise ConfigError(text) from None


def write_document(path: Path, document: object, data_dir: Path) -> None:
    """Replace the content of a file.

    Raises:
        DataDirError: The file is not writable.
        DiskFull: The disk is full.
    """
    replace_file(path, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n", data_dir, _PRIVATE)


def fingerprint(path: str) -> object:
    """Return a value that differs when the file has changed; None if it does not exist."""
    try:
        status = os.stat(path)  # noqa: PTH116 (called at each request; a Path takes twice as long)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.errno
    return (status.st_mtime_ns, status.st_ino, status.st_size)
