"""A reporter's warnings in its worker's log, each kind once, because a worker may run for weeks."""

from typing import Final

__all__ = ["Warned", "warn"]

_MOST: Final = 1000
_LONGEST: Final = 1000  # characters; a server's own text in it is truncated to 300


def warn(text: str, *values: object) -> None:
    """Log a warning under `phaseline`, on one line without characters that control a terminal."""
    import logging  # noqa: PLC0415 - rarely needed, and its import takes as long as the rest of this package

    from phaseline.text import one_line  # noqa: PLC0415 - as above

    logging.getLogger("phaseline").warning("%s", one_line(text % values if values else text, _LONGEST))


class Warned:
    """The warnings that have been logged already."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, ...]] = set()

    def once(self, *key: str) -> bool:
        """Return whether `key` is new. After a thousand others, a key is new again."""
        # A signal handler could deadlock on a lock that its own thread holds. Without one, a warning may be repeated.
        if key in self._keys:
            return False
        if len(self._keys) >= _MOST:
            self._keys.clear()
        self._keys.add(key)
        return True
