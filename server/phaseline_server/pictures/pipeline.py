"""The phases of a picture's run, from the address to the annotated picture."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from phaseline.model.workflows import PicturePhase
from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.download import fetch
from phaseline_server.pictures.dress import Dress, make_dress
from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.providers import Order
from phaseline_server.pictures.reporting import RunReporter
from phaseline_server.pictures.series import Series
from phaseline_server.pictures.sources import LocalPicture, PictureSource
from phaseline_server.pictures.storage import Unfinished
from phaseline_server.pictures.studio import Studio

__all__ = ["make_picture"]

_LEFT: Final = "reused from an earlier run"


async def make_picture(
    studio: Studio,
    reporter: RunReporter,
    series: str,
    address: str,
    dressed: Callable[[Dress], None],
    *,
    resume: bool = True,
) -> None:
    """Run all phases.

    Args:
        studio: The storage, series, providers and clients.
        reporter: Reports the phases.
        series: A valid name.
        address: A valid address.
        dressed: Called with the dress after each phase.
        resume: Whether to reuse results of an earlier run on disk.

    Raises:
        PhaselineError: A phase failed; `reporter.phase` is that phase.
    """
    run = _PictureRun(studio, reporter, series, address, resume=resume)
    try:
        for step in (run.setup, run.base_prompts, run.enhance, run.prepare, run.order, run.download, run.annotate):
            await step()
            dressed(run.dress)
    finally:
        await run.discard()


class _PictureRun:
    """One run, with a method for each phase."""

    dress: Dress
    _source: PictureSource | None = None

    def __init__(self, studio: Studio, reporter: RunReporter, series: str, address: str, *, resume: bool) -> None:
        self._resume = resume
        self._left = Unfinished()
        self._studio = studio
        self._storage = studio.storage
        self._reporter = reporter
        self._key = (series, address)
        self._scratch: list[Path] = []

    async def setup(self) -> None:
        async with self._reporter.during(PicturePhase.SETUP, "selecting attributes") as result:
            series, address = self._key
            self._series: Series = await trio.to_thread.run_sync(self._studio.library.get, series)
            self.dress = await trio.to_thread.run_sync(make_dress, self._series, address)
            result["attributes"] = len(self.dress.attributes)
            if self._resume:
                # Read this before the prompts are overwritten.
                self._left = await trio.to_thread.run_sync(self._storage.unfinished, self.dress)

    async def base_prompts(self) -> None:
        async with self._reporter.during(PicturePhase.BASE_PROMPTS, "writing the prompts"):
            await trio.to_thread.run_sync(self._storage.write_prompts, self.dress)

    async def enhance(self) -> None:
        enhancer = self._studio.enhancer
        if enhancer is None:
            await self._reporter.skip(PicturePhase.ENHANCE_PROMPT, "no chat model is configured")
            return
        if self._left.enhanced:
            await self._reporter.skip(PicturePhase.ENHANCE_PROMPT, _LEFT)
            self.dress = msgspec.structs.replace(self.dress, enhanced_prompt=self._left.enhanced)
            await trio.to_thread.run_sync(self._storage.write_prompts, self.dress)
            return
        async with self._reporter.during(PicturePhase.ENHANCE_PROMPT, "waiting for the chat model"):
            text = self._studio.redaction.hide(await enhancer.enhance(self.dress.prompt, self._text))
            self.dress = msgspec.structs.replace(self.dress, enhanced_prompt=text)
            await trio.to_thread.run_sync(self._storage.write_prompts, self.dress)

    async def prepare(self) -> None:
        async with self._reporter.during(PicturePhase.IMAGE_PREP, "selecting size, palette and composition") as result:
            width, height = self._series.dimensions or self._studio.size
            self._order = Order.of(self.dress, width, height, self._series.detail)
            self._bounds = Bounds.near(width, height)
            result |= {"width": width, "height": height, "colors": list(self._order.brief.colors)}

    async def order(self) -> None:
        if self._left.generated is not None:
            await self._reporter.skip(PicturePhase.IMAGE_WAIT, _LEFT)
            return
        provider = self._studio.providers[self._series.provider or self._studio.provider]
        async with self._reporter.during(PicturePhase.IMAGE_WAIT, provider.greeting) as result:
            self._source = await provider.make(self._order, self._reporter.progress)
            if isinstance(self._source, LocalPicture):
                self._scratch.append(Path(self._source.path))
            result["provider"] = provider.name

    async def download(self) -> None:
        if self._left.generated is not None:
            await self._reporter.skip(PicturePhase.IMAGE_DOWNLOAD, _LEFT)
            await self._checked(self._left.generated)
            path = self._storage.relative("generated", *self._key)
            self.dress = msgspec.structs.replace(self.dress, generated_path=path)
            return
        async with self._reporter.during(PicturePhase.IMAGE_DOWNLOAD, "downloading the picture") as result:
            checked = await self._checked(await self._received())
            result["bytes"] = await trio.to_thread.run_sync(
                self._storage.place_picture, "generated", *self._key, checked
            )
            # Free the disk space for the next files.
            await self.discard()

    async def _received(self) -> Path:
        """Return the file of the picture as the provider sent it. Many may wait to be checked, so none is in memory."""
        # Neither is kept after this method: a source can hold a picture in base64.
        source, self._source = self._source, None
        if source is None:
            raise ProviderError("no picture was requested; request it before the download")
        dress = self._storage.with_generated(self.dress, source)
        self.dress = msgspec.structs.replace(dress, image_url=self._studio.redaction.hide(dress.image_url))
        data = await fetch(source, self._studio.max_picture_bytes, self._studio.client, self._percent)
        path = await self._scratch_file()
        await trio.to_thread.run_sync(self._storage.scratch.write, path, data)
        return path

    async def _checked(self, path: Path) -> Path:
        """Return the file of the picture at `path` as a PNG; raises PictureError."""
        checked = await self._scratch_file()
        await self._studio.painter.check(path, checked, self._bounds)
        return checked

    async def annotate(self) -> None:
        async with self._reporter.during(PicturePhase.ANNOTATE, "drawing the caption"):
            generated = await trio.to_thread.run_sync(self._storage.path, "generated", *self._key)
            annotated = await self._scratch_file()
            await self._studio.painter.caption(generated, annotated, self.dress.terse_prompt, self._bounds)
            dress = self._storage.with_annotated(self.dress)
            # Write the picture last, so that its other files exist whenever it does.
            await trio.to_thread.run_sync(self._storage.write_dress, dress)
            await trio.to_thread.run_sync(self._storage.place_picture, "annotated", *self._key, annotated)
            self.dress = dress

    async def _scratch_file(self) -> Path:
        path = await trio.to_thread.run_sync(self._storage.scratch.new_file)
        self._scratch.append(path)
        return path

    async def discard(self) -> None:
        """Remove the files that are not needed after the run, or after the download."""
        for path in self._scratch:
            with trio.CancelScope(shield=True), suppress(OSError):
                await trio.Path(path).unlink(missing_ok=True)
        self._scratch.clear()

    async def _percent(self, percent: float) -> None:
        await self._reporter.progress(percent, "downloading the picture")

    async def _text(self, text: str) -> None:
        await self._reporter.progress(None, text)
