"""Who makes pictures: the embedded painter, or any OpenAI-compatible images API."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import msgspec
import trio

from phaseline_server.pictures.dress import Dress
from phaseline_server.pictures.openai_images import OpenAIImages
from phaseline_server.pictures.painter_process import Painter
from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.sources import LocalPicture, PictureSource

__all__ = ["OpenAIProvider", "Order", "PainterProvider", "Provider", "Tell"]

# Takes percent (None for unknown) and a line for people.
Tell = Callable[[float | None, str], Awaitable[None]]


class Order(msgspec.Struct, frozen=True):
    """What is asked of a provider: words for one that reads, a brief for one that paints."""

    prompt: str
    brief: Brief

    @classmethod
    def of(cls, dress: Dress, width: int, height: int, detail: int | None) -> "Order":
        """Return the order for `dress` at a size in pixels."""
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
    """Makes pictures."""

    name: str
    greeting: str

    async def make(self, order: Order, tell: Tell) -> PictureSource:
        """Return where the picture is to be had, once it is made.

        Raises:
            ProviderError: It was not made; the text says why.
        """
        ...


class PainterProvider:
    """The embedded painter, in processes of its own."""

    name = "painter"
    greeting = "waiting for the painter"

    def __init__(self, painter: Painter, directory: Callable[[], Path]) -> None:
        """Paint into files in what `directory` returns, which are the receiver's to remove.

        It is asked for each picture, in a worker thread, and raises DiskFull or DataDirError when it has none.
        """
        self._painter = painter
        self._directory = directory

    async def make(self, order: Order, tell: Tell) -> PictureSource:
        """See `Provider.make`."""

        async def report(fraction: float) -> None:
            await tell(round(100 * fraction, 1), "painting")

        path = await trio.to_thread.run_sync(self._directory) / f"{uuid4().hex}.png"
        await self._painter.paint(order.brief, path, report)
        return LocalPicture(str(path))


class OpenAIProvider:
    """An OpenAI-compatible images API."""

    name = "openai"

    def __init__(self, images: OpenAIImages, model: str) -> None:
        """Ask `images`, whose model is called `model`."""
        self._images = images
        self.greeting = f"asking {model}"

    async def make(self, order: Order, tell: Tell) -> PictureSource:
        """See `Provider.make`."""

        async def report(text: str) -> None:
            await tell(None, text)

        return await self._images.request(order.prompt, order.brief.width, order.brief.height, report)
