"""The name of a job that users see."""

from typing import Any, Final

from phaseline.text import one_line

__all__ = ["job_name"]

_MAX_NAME: Final = 200
# Keys of `photo_info` in which workers put an item's name.
_KEYS: Final = ("file_name", "fileName", "name", "title")


def job_name(given: str, info: dict[str, Any], photo_id: int | str | None, job_id: str) -> str:
    """Return the name that the worker gave, else one in its facts, else `photo_id` if it is a text, else the id."""
    if given:
        return given
    names = (info.get(key) for key in _KEYS)
    found = next((name for name in names if isinstance(name, str) and name.strip()), photo_id)
    return one_line(found, _MAX_NAME) if isinstance(found, str) and found.strip() else job_id
