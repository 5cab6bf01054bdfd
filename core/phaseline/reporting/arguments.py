"""The arguments of a reporter, checked; each function raises ConfigError for an invalid one."""

import os

from phaseline.client.address import Address
from phaseline.client.notes import warn
from phaseline.errors import ConfigError, shown
from phaseline.reporting.values import count_of, seconds

__all__ = ["checked_directory", "checked_size", "checked_timeout", "configured"]


def checked_timeout(flush_timeout: float) -> float:
    """Return the seconds to wait for delivery."""
    checked = seconds(flush_timeout, -1.0)
    if checked < 0:
        raise ConfigError(f"flush_timeout is {shown(flush_timeout)}; allowed: a number of seconds, 0 or more")
    return checked


def checked_size(spool: int) -> int:
    """Return the number of reports to store."""
    checked = count_of((), spool)
    if checked < 1:
        raise ConfigError(f"spool is {shown(spool)}; allowed: a number of reports, 1 or more")
    return checked


def checked_directory(spool_dir: str | os.PathLike[str] | None) -> str | None:
    """Return the directory of the spool."""
    if not isinstance(spool_dir, str | os.PathLike | None):
        raise ConfigError(f"spool_dir is {shown(spool_dir)}; allowed: the path of a directory")
    return None if spool_dir is None else os.fspath(spool_dir)


def configured(url: str | None, *, strict: bool) -> tuple[Address, ...]:
    """Return the servers; none if PROGRESS_URL is invalid, which is only logged unless `strict`."""
    try:
        return Address.configured(url)
    except ConfigError as error:
        if url is not None or strict:
            raise
        warn("nothing is reported: %s; correct PROGRESS_URL", error)
        return ()
