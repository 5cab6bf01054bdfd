"""The secrets of a shared log: documents with the hashes of tokens and links, and tickets of a few seconds.

They are beside the events, so that each server of the log has them, whether it leads or not.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from phaseline_server.errors import JournalUnusable

__all__ = [
    "DOCUMENTS",
    "Change",
    "Revision",
    "SecretStore",
    "TicketKind",
    "document_of",
    "entries_of",
    "file_name",
]

DOCUMENTS: Final = ("tokens", "links")
"""The names of the documents. A log of one server has each in a file."""

TicketKind = Literal["client", "server"]
"""The holder of a ticket: a client, which uses it once; or a server of the log, which sends it to the leader."""

Change = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]
"""Receives the documents that exist, and returns those to write."""


class Revision(NamedTuple):
    """A document as it was read.

    Attributes:
        number: A random text that differs after each change.
        content: The document.
    """

    number: str
    content: bytes


def file_name(document: str) -> str:
    """Return the name of a document's file in a data directory."""
    return f"{document}.json"


def entries_of(document: str, content: bytes, place: str) -> list[dict[str, Any]]:
    """Return the entries of a document, each with its `sha256`; raise JournalUnusable if `place` has no valid one."""
    try:
        found = msgspec.json.decode(content)[document]
        return [{**each, "sha256": each["sha256"]} for each in found]
    except (msgspec.MsgspecError, UnicodeError, LookupError, TypeError) as error:
        text = (
            f"the {document} of {place} are not valid: {error!r}; move {file_name(document)} away and create new ones"
        )
        raise JournalUnusable(text) from None


def document_of(document: str, entries: Iterable[dict[str, Any]]) -> bytes:
    """Return a document with these entries, each once."""
    unique = {each["sha256"]: each for each in entries}
    return msgspec.json.encode({"version": 1, document: list(unique.values())})


class SecretStore(Protocol):
    """The secrets of one log. Each method blocks, and raises LogUnavailable while the database is unreachable."""

    @property
    def name(self) -> str:
        """The name of the log in error messages."""
        ...

    def read(self, known: Mapping[str, Revision]) -> Mapping[str, Revision]:
        """Return all documents that exist; `known` itself if nothing has changed.

        Raises:
            JournalUnusable: The database rejects what the log needs.
            JournalFailed: The storage failed.
        """
        ...

    def change(self, change: Change) -> Mapping[str, Revision]:
        """Replace documents, all of them or none; return all that exist then. No other change comes in between.

        Raises:
            JournalUnusable: The database rejects what the log needs.
            JournalFailed: The storage failed.
            DiskFull: The database has no room.
        """
        ...

    def add_ticket(self, kind: TicketKind, sha256: str, holder: str, lifetime_s: float) -> None:
        """Store the hash of a ticket, which a crash of the database may lose.

        Raises:
            JournalFailed: The storage failed.
            DiskFull: The database has no room.
        """
        ...

    def take_ticket(self, sha256: str) -> str | None:
        """Remove a client's ticket and return its holder; None if there is none, or no longer.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    def has_server_ticket(self, sha256: str) -> bool:
        """Return whether a server's ticket has not expired.

        Raises:
            JournalFailed: The storage failed.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
