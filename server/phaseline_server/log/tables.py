"""The tables and secrets of engines with a database, for copying a log from one engine to another."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

__all__ = ["COLUMNS", "META", "ORDER", "CopiedLog", "CopyWriter"]

COLUMNS: Final = {
    "packs": ("last", "first", "at_ns", "messages"),
    "jobs": (
        "job_id",
        "seq",
        "state",
        "latest_ns",
        "ended_ns",
        "at_ns",
        "dismissed",
        "workflow",
        "series",
        "host",
        "search",
        "record",
    ),
    "producers": ("owner", "producer", "job_id", "number", "seq"),
    "runs": (
        "seq",
        "at_ns",
        "job_id",
        "workflow",
        "series",
        "host",
        "search",
        "state",
        "phase",
        "duration_ns",
        "measured",
        "dismissed",
        "body",
    ),
    "durations": ("at_ns", "workflow", "series", "phase", "duration_ns"),
    "averages": ("workflow", "phase", "count", "avg_ns"),
    "learned": ("kind", "key", "state"),
}
"""The columns of each table."""

ORDER: Final = {table: "id" if table == "durations" else columns[0] for table, columns in COLUMNS.items()}
"""The column by which the rows of each table are copied: as they were added, where that matters."""

META: Final = ("epoch", "epoch_since", "clock", "generation_runs", "cache_hits")
"""The values of the table `meta` that belong to the log, and not to the server that has it."""


class CopiedLog(Protocol):
    """An open log that no server uses, with the names and columns above. Its methods block."""

    @property
    def name(self) -> str:
        """Its name in texts."""
        ...

    @property
    def top(self) -> int:
        """The number of its newest event."""
        ...

    def meta(self) -> dict[str, str]:
        """Return those values of `META` that it has, as texts."""
        ...

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table."""
        ...

    def documents(self) -> Mapping[str, bytes]:
        """Return the documents of secrets; see `SecretStore`. They may exist in a log that is empty otherwise."""
        ...

    def writing(self) -> "AbstractContextManager[CopyWriter]":
        """Return a block in which an empty log is filled, completely or not at all."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class CopyWriter(Protocol):
    """Fills a log."""

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Add rows to a table; return how many."""
        ...

    def set_meta(self, values: dict[str, str]) -> None:
        """Replace values of the table `meta`."""
        ...

    def set_documents(self, documents: Mapping[str, bytes]) -> None:
        """Replace documents of secrets."""
        ...
