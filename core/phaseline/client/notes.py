"""What a reporter has to say to its worker's log. Each kind of trouble is told once, for a worker may run for weeks."""

from typing import Final

__all__ = ["Warned", "warn"]

_MOST: Final = 1000


def warn(text: str, *values: object) -> None:
    """Log a warning under `phaseline`."""
    import logging  # noqa: PLC0415 - seldom needed, and as dear to load as all the rest of this package

    logging.getLogger("phaseline").warning(text, *values)


class Warned:
    """What has been said already."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, ...]] = set()

    def once(self, *key: str) -> bool:
        """Say whether `key` is said for the first time (or again after a thousand others)."""
        # No lock, which a signal handler could find held by its own thread: at worst something is said twice.
        if key in self._keys:
            return False
        if len(self._keys) >= _MOST:
            self._keys.clear()
        self._keys.add(key)
        return True
