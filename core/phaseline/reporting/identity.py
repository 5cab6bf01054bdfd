"""The facts that a reporter sends about its process and its machine."""

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from phaseline.client.facts import FACTS, chosen
from phaseline.client.notes import warn
from phaseline.errors import ConfigError
from phaseline.reporting.values import text_of

if TYPE_CHECKING:
    from phaseline.reporting.worker_facts import Process

__all__ = ["Identity"]

_VARIABLE: Final = "PROGRESS_FACTS"


class Identity:
    """The facts about a reporter's process and machine that the user allows to be sent.

    Attributes:
        host: The name of the machine, or "".
    """

    def __init__(self, host: object, *, wanted: Collection[str] | bool | None, strict: bool) -> None:
        """Allow the `wanted` facts to be sent; `host` replaces the system's host name.

        Raises:
            ConfigError: An unknown fact is wanted. One in PROGRESS_FACTS is only logged, unless `strict`; then none are
                sent.
        """
        self._wanted = _chosen(wanted=wanted, strict=strict)
        self._known: tuple[tuple[int, str], dict[str, Any]] | None = None
        self.host = text_of(host if host is not None else _host() if self.sends("host") else "", 100)

    def sends(self, fact: str) -> bool:
        """Return whether a fact may be sent."""
        return self._wanted is None or fact in self._wanted

    def facts(self, process: "Process | None" = None) -> dict[str, Any]:
        """Return the facts about `process`, by default this one."""
        if self._wanted is not None and not self._wanted:
            return {}
        if process is not None:
            return self._read(process)
        # A fork has another process id, and a program may change its directory.
        try:
            place = (os.getpid(), os.getcwd())  # noqa: PTH109 - pathlib's import takes long
        except OSError:  # the directory was removed
            place = (os.getpid(), "")
        if self._known is None or self._known[0] != place:
            self._known = (place, self._read(None))
        return self._known[1]

    def _read(self, process: "Process | None") -> dict[str, Any]:
        # Imported here, because a program that imports this module may never report.
        from phaseline.reporting.worker_facts import this_process, worker_facts  # noqa: PLC0415

        try:
            return worker_facts(process or this_process(), FACTS if self._wanted is None else self._wanted)
        except Exception as error:  # noqa: BLE001 - a report never raises
            warn("no facts about this process are reported: %r; please report this bug", error)
            return {}

    def producer(self) -> str:
        """Return a new name under which this process reports."""
        process_id = f"{os.getpid()}-" if self.sends("pid") else ""
        return f"{f'{self.host[:60]}-' if self.host else ''}{process_id}{os.urandom(6).hex()}"


def _chosen(*, wanted: Collection[str] | bool | None, strict: bool) -> frozenset[str] | None:
    """Return the names of the facts to send; None for all."""
    if wanted is None and _VARIABLE not in os.environ:
        return None
    try:
        return chosen(wanted, os.environ.get(_VARIABLE))
    except ConfigError as error:
        if wanted is not None or strict:
            raise
        warn("no facts about this process are reported: %s", error)
        return frozenset()


def _host() -> str:
    # socket.gethostname() returns the same, but its import is slow.
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
