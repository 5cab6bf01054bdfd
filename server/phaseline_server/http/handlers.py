"""Registry of route handlers. Each module of routes registers its handlers under the route names in `table`."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from quart_trio import QuartTrio

__all__ = ["Handlers"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Handlers:
    """The handlers of one app.

    Attributes:
        app: The app, for modules that hook into its start and end.
    """

    def __init__(self, app: QuartTrio) -> None:
        """Create an empty registry."""
        self.app = app
        self._by_name: dict[str, Callable[..., Any]] = {}

    @property
    def by_name(self) -> Mapping[str, Callable[..., Any]]:
        """The handlers, by route name."""
        return self._by_name

    def __call__(self, handler: Handler) -> Handler:
        """Register a handler for the route of the function's name; used as a decorator."""
        return self.add(handler.__name__, handler)

    def add(self, name: str, handler: Handler) -> Handler:
        """Register a handler for the route `name`."""
        assert name not in self._by_name, name  # noqa: S101 (a programming error, found at the first start)
        self._by_name[name] = handler
        return handler
