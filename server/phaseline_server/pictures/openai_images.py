"""The `openai` provider: pictures from any OpenAI-compatible images API."""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import msgspec

from phaseline.errors import ProviderError
from phaseline_server.pictures.openai_http import ApiAccess, OpenAIClient
from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.sources import EncodedPicture, RemotePicture

__all__ = ["OpenAIImages"]

# base64 makes four characters of three bytes; with line breaks or escapes (`\/`) some more. Then the other fields.
_BASE64_GROWTH: Final = 1.4
_OTHER_FIELDS: Final = 65_536


class _Picture(msgspec.Struct):
    url: str | None = None
    b64_json: str | None = None


class _ImagesAnswer(msgspec.Struct):
    data: list[_Picture]


class OpenAIImages:
    """Asks `{base}/images/generations` for one picture at a time; many requests may be under way at once."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        access: ApiAccess,
        patience: Retries,
        *,
        max_picture_bytes: int,
        jitter: random.Random | None = None,
    ) -> None:
        """Take what to send with, where to, and how long to try.

        Args:
            client: Sends the requests; whoever made it closes it.
            access: Base address, key and model.
            patience: Time-outs and retries.
            max_picture_bytes: The most bytes that a picture may have, which bounds the answer too.
            jitter: Where the waits' randomness comes from; a test gives one with a fixed seed.
        """
        self._api = OpenAIClient(client, access, patience, jitter or random.Random())  # noqa: S311 (no secret hangs on it)
        self._limit = int(max_picture_bytes * _BASE64_GROWTH) + _OTHER_FIELDS

    async def request(
        self, prompt: str, width: int, height: int, report: Callable[[str], Awaitable[None]]
    ) -> RemotePicture | EncodedPicture:
        """Return the picture that the model made of `prompt`, of `width` x `height` pixels, not yet fetched or checked.

        `report` gets a line whenever it begins to wait for something else: `asked gpt-image-1`,
        `rate limited; trying again in 4 s (2 of 5)`.

        Raises:
            ProviderError: The provider refused, failed or was silent to the end, or answered without a picture.
        """
        body = {"model": self._api.access.model, "prompt": prompt, "size": f"{width}x{height}", "n": 1}
        answer = await self._api.post("/images/generations", body, _ImagesAnswer, self._limit, report)
        for picture in answer.data:
            if picture.b64_json:
                return EncodedPicture(_bare(picture.b64_json))
            if picture.url:
                return EncodedPicture(_bare(picture.url)) if picture.url[:5] == "data:" else RemotePicture(picture.url)
        raise ProviderError(
            f"asking {self._api.access.name}: answered with {len(answer.data)} pictures, none with url or b64_json; "
            f"check that image_model names a model that makes pictures"
        )


def _bare(text: str) -> str:
    """Return the base64 of a `data:` address, as some providers write both fields; other text as it is."""
    return text.partition(",")[2] if text[:5] == "data:" else text
