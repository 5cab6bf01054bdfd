"""The studio: the storage, series, providers and clients for making pictures."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import trio

from phaseline_server.config.settings import Settings
from phaseline_server.pictures.download_client import download_client
from phaseline_server.pictures.enhance import ChatEnhancer
from phaseline_server.pictures.openai_http import ApiAccess
from phaseline_server.pictures.openai_images import OpenAIImages
from phaseline_server.pictures.painter_process import Painter
from phaseline_server.pictures.providers import OpenAIProvider, PainterProvider, Provider
from phaseline_server.pictures.redaction import Redaction
from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.series import SeriesLibrary
from phaseline_server.pictures.storage import Storage

__all__ = ["Studio", "open_studio"]


@dataclass(frozen=True)
class Studio:
    """The parts for making pictures.

    Attributes:
        storage: The stored files.
        library: The series.
        painter: Paints pictures, checks those of providers, and draws captions.
        providers: The providers of pictures, by name.
        provider: The name of the default provider.
        enhancer: Rewrites prompts; None if no chat model is configured.
        client: The HTTP client for downloads.
        redaction: Hides the keys in all texts of providers.
        size: Default width and height, in pixels.
        max_picture_bytes: Maximum size of a picture, in bytes.
        archive: The directory for final snapshots; None if archiving is disabled.
    """

    storage: Storage
    library: SeriesLibrary
    painter: Painter
    providers: Mapping[str, Provider]
    provider: str
    enhancer: ChatEnhancer | None
    client: httpx.AsyncClient
    redaction: Redaction
    size: tuple[int, int]
    max_picture_bytes: int
    archive: Path | None


@cache
def _tls() -> ssl.SSLContext:
    """Return the trusted certificates, cached because loading them is slow."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_studio(settings: Settings) -> AsyncIterator[Studio]:
    """Yield the studio configured by `settings`."""
    data_dir = Path(settings.data_dir)
    storage = Storage(data_dir)
    await trio.to_thread.run_sync(storage.scratch.clear)
    redaction = Redaction(settings.image_key, settings.chat_key)
    hosts = {httpx.URL(settings.image_url).host, *settings.allow_picture_host}
    async with httpx.AsyncClient(verify=_tls()) as client, download_client(_tls(), hosts) as downloads:
        images = OpenAIImages(
            client,
            ApiAccess("image", settings.image_url, settings.image_key, settings.image_model, redaction),
            Retries(timeout=settings.image_timeout, retries=settings.image_retries),
            max_picture_bytes=settings.max_picture_bytes,
        )
        enhancer = None
        if settings.chat_url and settings.chat_model:
            access = ApiAccess("chat", settings.chat_url, settings.chat_key, settings.chat_model, redaction)
            enhancer = ChatEnhancer(client, access, Retries(timeout=settings.chat_timeout))
        painter = Painter(settings.painters)
        providers: list[Provider] = [
            PainterProvider(painter, storage.scratch.new_file),
            OpenAIProvider(images, settings.image_model),
        ]
        width, _, height = settings.picture_size.partition("x")
        yield Studio(
            storage=storage,
            library=SeriesLibrary(data_dir),
            painter=painter,
            providers={provider.name: provider for provider in providers},
            provider=settings.provider,
            enhancer=enhancer,
            client=downloads,
            redaction=redaction,
            size=(int(width), int(height)),
            max_picture_bytes=settings.max_picture_bytes,
            archive=data_dir / "metrics" / "runs" if settings.archive_runs else None,
        )
