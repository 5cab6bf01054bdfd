"""The `enhance_prompt` phase: an OpenAI-compatible chat endpoint rewrites a prompt for the image model."""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import msgspec

from phaseline.text import clean
from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.openai_http import ApiAccess, OpenAIClient
from phaseline_server.pictures.retry import Retries

__all__ = ["ChatEnhancer"]

_INSTRUCTION: Final = (
    "You write prompts for a model that paints. Rewrite the user's description as one vivid paragraph of at most "
    "150 words. Keep every subject, emotion, colour, style and composition it names, and add no text that should "
    "appear in the picture. Answer with the paragraph alone."
)
# Maximum response size in bytes; a prompt has a few kilobytes, the rest is metadata.
_LIMIT: Final = 1_048_576


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _ChatAnswer(msgspec.Struct):
    choices: list[_Choice]


class ChatEnhancer:
    """Requests a better prompt from `{base}/chat/completions`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        access: ApiAccess,
        patience: Retries,
        *,
        jitter: random.Random | None = None,
    ) -> None:
        """Create an enhancer; for the arguments see `OpenAIImages`."""
        self._api = OpenAIClient(client, access, patience, jitter or random.Random())  # noqa: S311 (not for secrets)

    async def enhance(self, prompt: str, report: Callable[[str], Awaitable[None]]) -> str:
        """Return `prompt` rewritten, never empty; `report` is called with a line of text at each retry.

        Raises:
            ProviderError: The provider refused, failed, timed out, or returned an empty text.
        """
        messages = [{"role": "system", "content": _INSTRUCTION}, {"role": "user", "content": prompt}]
        body = {"model": self._api.access.model, "messages": messages}
        answer = await self._api.post("/chat/completions", body, _ChatAnswer, _LIMIT, report)
        for choice in answer.choices:
            text = clean(choice.message.content or "").strip()
            if text:
                return text
        raise ProviderError(f"request to {self._api.access.name}: {self._reason(answer)}; allowed: a non-empty prompt")

    def _reason(self, answer: _ChatAnswer) -> str:
        if not answer.choices:
            return "the response has no choices"
        choice = answer.choices[0]
        if choice.message.refusal:
            return f"refused: {self._api.access.safe(choice.message.refusal)}"
        return f"the response text is empty (finish_reason {self._api.access.safe(choice.finish_reason or 'none')})"
