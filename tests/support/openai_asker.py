"""The `openai` provider with a test server."""

import random

import httpx
import pytest

from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.openai_http import ApiAccess
from phaseline_server.pictures.openai_images import OpenAIImages
from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.sources import EncodedPicture, RemotePicture
from tests.support.misbehaving import answer

KEY = "sk-correct-horse-battery-staple"
GOOD = answer({"created": 1, "data": [{"url": "https://pictures.example/1.png?sig=x", "revised_prompt": "…"}]})
PICTURE = RemotePicture("https://pictures.example/1.png?sig=x")
MAX_BYTES = 1_000_000
# Short waits, so that no test does; a time-out that should not strike is long.
PATIENCE = Retries(timeout=60, retries=4, backoff=0.001)


class Asker:
    """`OpenAIImages` with its reports kept."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: str = KEY, patience: Retries = PATIENCE) -> None:
        access = ApiAccess("image", f"{url}/v1", key, "gpt-image-1")
        jitter = random.Random(1)
        self.images = OpenAIImages(client, access, patience, max_picture_bytes=MAX_BYTES, jitter=jitter)
        self.lines: list[str] = []

    async def ask(self) -> RemotePicture | EncodedPicture:
        return await self.images.request("a violet fox", 1792, 1024, self.report)

    async def report(self, line: str) -> None:
        self.lines.append(line)

    async def failure(self) -> str:
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        return str(caught.value)
