"""What answers the routes: each family of routes registers its handlers by the names that `table` has."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from quart_trio import QuartTrio

__all__ = ["Handlers"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Handlers:
    """The handlers of one app.

    Attributes:
        app: The app, for families that need to know when it begins and ends.
    """

    def __init__(self, app: QuartTrio) -> None:
        """Begin without any."""
        self.app = app
        self._by_name: dict[str, Callable[..., Any]] = {}

    @property
    def by_name(self) -> Mapping[str, Callable[..., Any]]:
        """The handlers, by the names of their routes."""
        return self._by_name

    def __call__(self, handler: Handler) -> Handler:
        """Register a handler, as a decorator: the route of the function's own name."""
        return self.add(handler.__name__, handler)

    def add(self, name: str, handler: Handler) -> Handler:
        """Register a handler for the route `name`."""
        assert name not in self._by_name, name  # noqa: S101 (a mistake of ours, found at the first start)
        self._by_name[name] = handler
        return handler
