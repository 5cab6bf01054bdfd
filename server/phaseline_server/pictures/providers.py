"""Providers of pictures: the embedded painter and OpenAI-compatible images APIs."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec
import trio

from phaseline_server.pictures.dress import Dress
from phaseline_server.pictures.openai_images import OpenAIImages
from phaseline_server.pictures.painter_process import Painter
from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.sources import LocalPicture, PictureSource

__all__ = ["OpenAIProvider", "Order", "PainterProvider", "Progress", "Provider"]

# Reports a percentage (None if unknown) and a line of text.
Progress = Callable[[float | None, str], Awaitable[None]]


class Order(msgspec.Struct, frozen=True):
    """The request to a provider: a prompt for an image model and a brief for the painter."""

    prompt: str
    brief: Brief

    @classmethod
    def of(cls, dress: Dress, width: int, height: int, detail: int | None) -> "Order":
        """Return the order for `dress`, with a size in pixels and a level of detail (None: 2)."""
        brief = Brief(
            seed=dress.seed,
            width=width,
            height=height,
            colors=dress.colors(),
            words=dress.words(),
            detail=detail or 2,
        )
        return cls(dress.enhanced_prompt or dress.prompt, brief)


class Provider(Protocol):
    """A provider of pictures.

    Attributes:
        name: Its name in settings.
        greeting: The first text to report.
    """

    name: str
    greeting: str

    async def make(self, order: Order, progress: Progress) -> PictureSource:
        """Generate a picture and return its source.

        Raises:
            ProviderError: The picture was not generated.
        """
        ...


class PainterProvider:
    """The embedded painter, which runs in separate processes."""

    name = "painter"
    greeting = "waiting for the painter"

    def __init__(self, painter: Painter, new_file: Callable[[], Path]) -> None:
        """Create a provider that paints into files, which the caller removes.

        Args:
            painter: The painter.
            new_file: Returns a new path. It is called for each picture, in a worker thread, and may raise DiskFull or
                DataDirError.
        """
        self._painter = painter
        self._new_file = new_file

    async def make(self, order: Order, progress: Progress) -> PictureSource:
        """See `Provider.make`."""

        async def report(fraction: float) -> None:
            await progress(round(100 * fraction, 1), "painting")

        path = await trio.to_thread.run_sync(self._new_file)
        await self._painter.paint(order.brief, path, report)
        return LocalPicture(str(path))


class OpenAIProvider:
    """An OpenAI-compatible images API."""

    name = "openai"

    def __init__(self, images: OpenAIImages, model: str) -> None:
        """Create a provider that uses `images`; `model` is the name to show."""
        self._images = images
        self.greeting = f"waiting for {model}"

    async def make(self, order: Order, progress: Progress) -> PictureSource:
        """See `Provider.make`."""

        async def report(text: str) -> None:
            await progress(None, text)

        return await self._images.request(order.prompt, order.brief.width, order.brief.height, report)
