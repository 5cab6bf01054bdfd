"""Pictures: series and dress, prompts, the painter and other providers, and the runs that make them.

For tests, seed A's three helpers: `get_progress`, `reset_metrics_for_test`, `force_metrics_save`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phaseline_server.dalle.helpers import force_metrics_save, get_progress, reset_metrics_for_test

__all__ = ["force_metrics_save", "get_progress", "reset_metrics_for_test"]


def __getattr__(name: str) -> Any:
    """Import the helpers when they are asked for: the painter's process has no use for what they bring along."""
    if name in __all__:
        from phaseline_server.dalle import helpers  # noqa: PLC0415

        return getattr(helpers, name)
    text = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(text)
