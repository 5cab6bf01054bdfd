"""The address of the log: `sqlite`, or a database."""

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["ALLOWED", "SQLITE", "hide_password", "parse_log_address"]

SQLITE: Final = "sqlite"
ALLOWED: Final = "sqlite, or the address of a database, e.g. postgresql://phaseline@db-1,db-2/phaseline"
_PASSWORD: Final = re.compile(r"(//[^:/@]*:).*@|([?&](?:ssl)?password=)[^&]*")


def parse_log_address(text: str) -> str:
    """Return the address; raise ValueError if it is neither `sqlite` nor like that of a database."""
    text = text.strip()
    if text == SQLITE:
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"postgresql", "postgres"} or not text.isprintable() or " " in text or "//" not in text:
        raise ValueError(text)
    return text


def hide_password(address: str) -> str:
    """Return the address with `***` for its password."""
    return _PASSWORD.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", address)
