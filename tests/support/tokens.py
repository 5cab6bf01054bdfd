"""Tokens for tests: one of each scope, with and without a prefix."""

from pathlib import Path

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile

CALLERS = ("nobody", *(f"{scope}{prefix}" for scope in Scope for prefix in ("", ":shot-", ":other-")))


def make_tokens(data_dir: Path) -> dict[str, str]:
    """Make a token for each of `CALLERS` except "nobody", and return them by these names."""
    file = TokenFile(data_dir)
    made = {}
    for caller in CALLERS[1:]:
        scope, _, prefix = caller.partition(":")
        made[caller] = file.create(Scope(scope), prefix)[0]
    return made


def shown(tokens: dict[str, str], caller: str) -> dict[str, str]:
    """Return the headers by which a caller shows its token."""
    return {"Authorization": f"Bearer {tokens[caller]}"} if caller in tokens else {}
