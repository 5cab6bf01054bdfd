"""The orders that a worker accepts: cancel, pause and resume."""

from collections.abc import Callable

from phaseline.client.notes import warn
from phaseline.model.event_fields import OrderKind

__all__ = ["Handlers", "OrderHandler", "handlers_of"]

OrderHandler = Callable[[str], object]
"""Carries out an order; its argument is the user's reason, or ""."""
Handlers = dict[OrderKind, OrderHandler]


def handlers_of(
    on_cancel: OrderHandler | None, on_pause: OrderHandler | None, on_resume: OrderHandler | None
) -> Handlers:
    """Return the given handlers; a job without a handler for resuming can't be paused either."""
    handlers: Handlers = {}
    if on_cancel is not None:
        handlers["cancel"] = on_cancel
    if on_pause is not None and on_resume is not None:
        handlers |= {"pause": on_pause, "resume": on_resume}
    elif on_pause is not None or on_resume is not None:
        warn("the job accepts no orders to pause: only one of on_pause and on_resume was given; pass both")
    return handlers
