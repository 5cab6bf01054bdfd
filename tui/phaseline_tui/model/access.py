"""The credentials for servers; a separate module, because the command line needs it without the rest."""

from dataclasses import dataclass, field

__all__ = ["Access"]


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials: tokens and CA certificates."""

    token: str = field(default="", repr=False)
    """Token for all servers that have none in `tokens`."""
    tokens: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Pairs of host and token."""
    ca_file: str | None = None
    """PEM file of CA certificates to trust in addition to the system's."""

    def token_for(self, host: str) -> str:
        """Return the token for `host`; empty if there is none."""
        return dict(self.tokens).get(host, self.token)
