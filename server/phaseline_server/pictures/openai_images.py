"""The client of OpenAI-compatible images APIs, for the provider `openai`."""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import msgspec

from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.openai_http import ApiAccess, OpenAIClient
from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.sources import EncodedPicture, RemotePicture

__all__ = ["OpenAIImages"]

# base64 has four characters for three bytes, and a few more with line breaks or escapes (`\/`).
_BASE64_GROWTH: Final = 1.4
_OTHER_FIELDS: Final = 65_536


class _Picture(msgspec.Struct):
    url: str | None = None
    b64_json: str | None = None


class _ImagesAnswer(msgspec.Struct):
    data: list[_Picture]


class OpenAIImages:
    """Requests pictures from `{base}/images/generations`, one per request; requests can run concurrently."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        access: ApiAccess,
        patience: Retries,
        *,
        max_picture_bytes: int,
        jitter: random.Random | None = None,
    ) -> None:
        """Create a client.

        Args:
            client: Sends the requests; the caller closes it.
            access: The URL, model and key.
            patience: Time-outs and retries.
            max_picture_bytes: Maximum size of a picture, which also limits the response.
            jitter: The source of randomness for the waits; tests pass one with a fixed seed.
        """
        self._api = OpenAIClient(client, access, patience, jitter or random.Random())  # noqa: S311 (not for secrets)
        self._limit = int(max_picture_bytes * _BASE64_GROWTH) + _OTHER_FIELDS

    async def request(
        self, prompt: str, width: int, height: int, report: Callable[[str], Awaitable[None]]
    ) -> RemotePicture | EncodedPicture:
        """Return the source of the generated picture, which is not yet downloaded or validated.

        Args:
            prompt: The prompt.
            width: Width in pixels.
            height: Height in pixels.
            report: Called with a line of text before each attempt and wait: `waiting for gpt-image-1`,
                `rate limited; retrying in 4 s (2 of 5)`.

        Raises:
            ProviderError: The provider refused, failed, timed out, or returned no picture.
        """
        body = {"model": self._api.access.model, "prompt": prompt, "size": f"{width}x{height}", "n": 1}
        answer = await self._api.post("/images/generations", body, _ImagesAnswer, self._limit, report)
        for picture in answer.data:
            if picture.b64_json:
                return EncodedPicture(_bare(picture.b64_json))
            if picture.url:
                return EncodedPicture(_bare(picture.url)) if picture.url[:5] == "data:" else RemotePicture(picture.url)
        raise ProviderError(
            f"request to {self._api.access.name}: {len(answer.data)} pictures in the response, none with url or "
            f"b64_json; check that image_model is a model that generates pictures"
        )


def _bare(text: str) -> str:
    """Return the base64 part of a `data:` URL, which some providers put in both fields; other text unchanged."""
    return text.partition(",")[2] if text[:5] == "data:" else text
