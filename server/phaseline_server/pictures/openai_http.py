"""The client of OpenAI-compatible APIs, with authorization, size limits, retries and clear errors."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, NoReturn, TypeVar

import httpx
import msgspec

from phaseline.errors import ConfigError, shown
from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.http_client import IDENTITY, Unacceptable, one_line, public, read_body, retry_after, why
from phaseline_server.pictures.redaction import Redaction
from phaseline_server.pictures.retry import Again, Retries, persist

__all__ = ["ApiAccess", "OpenAIClient"]

T = TypeVar("T")

# A separate time-out, because the time-out of an attempt allows for the generation of a picture.
_CONNECT_SECONDS: Final = 10.0
# The maximum size of an error response, which holds a short text.
_ERROR_BYTES: Final = 65_536
_BEGINNING: Final = 60

_TOO_MANY_REQUESTS: Final = 429
_ADVICE: Final = {
    401: "check {0}_key",
    403: "check {0}_key and its permissions",
    404: "check {0}_url and {0}_model",
}


class ApiAccess:
    """The URL, model and key of an API. The key is not shown in any `repr`, error or log.

    `redaction` hides further keys in the API's texts; without it, only this one is hidden.

    Attributes:
        setting: `image` or `chat`, the prefix of the settings' names.
        url: The base URL. Paths such as `/images/generations` are appended, its query is kept. If it is empty, every
            request fails with an error that says so.
        model: The model's name.
        headers: The headers of each request; the `repr` hides the key.

    Raises:
        ConfigError: The URL is not http or https, the URL contains a password, or the key is not valid in a header.
    """

    def __init__(
        self,
        setting: Literal["image", "chat"],
        base_url: str,
        key: str,
        model: str,
        redaction: Redaction | None = None,
    ) -> None:
        key = key.strip()
        self._redaction = redaction or Redaction(key)
        self.setting = setting
        self.model = model
        self.url = _base(setting, base_url)
        self.headers = httpx.Headers(IDENTITY | {"Accept": "application/json", "Content-Type": "application/json"})
        if not key:
            return
        if not all("!" <= character <= "~" for character in key):
            raise ConfigError(f"{setting}_key has invalid characters (not shown); allowed: printable ASCII")
        self.headers["Authorization"] = f"Bearer {key}"

    @property
    def name(self) -> str:
        """The model and its URL, for error texts."""
        return f"{one_line(self.model)} at {public(self.url)}"

    def at(self, path: str) -> httpx.URL:
        """Return the URL of `path`, which begins with `/`."""
        return self.url.copy_with(path=self.url.path.rstrip("/") + path)

    def safe(self, text: str) -> str:
        """Return a provider's text as one short line, without the key, which some providers include."""
        return one_line(self._redaction.hide(one_line(text, _ERROR_BYTES)))


class OpenAIClient:
    """Posts JSON and returns typed responses, with retries."""

    def __init__(self, client: httpx.AsyncClient, access: ApiAccess, patience: Retries, jitter: random.Random) -> None:
        """Create a client.

        Args:
            client: Sends the requests; the caller closes it.
            access: The URL, model and key.
            patience: Time-outs and retries.
            jitter: The source of randomness for the waits.
        """
        self.access = access
        self._client = client
        self._patience = patience
        self._jitter = jitter

    async def post(
        self, path: str, body: dict[str, Any], answer: type[T], limit: int, report: Callable[[str], Awaitable[None]]
    ) -> T:
        """Return the response to `body` at `path`, decoded as `answer`.

        429, 5xx, failed connections and time-outs are retried; other statuses than 2xx are final.

        Args:
            path: The path to append to the base URL; begins with `/`.
            body: The request, as JSON.
            answer: A msgspec type. Unknown fields are ignored.
            limit: Maximum size of the response, in bytes.
            report: Called with a line of text before each attempt and each wait.

        Raises:
            ProviderError: There was no usable response.
        """
        if not self.access.url.host:
            raise ProviderError(f"{self.access.setting}_url is empty; set it to a URL")
        request = msgspec.json.encode(body)

        async def attempt(number: int) -> bytes:
            await report(f"waiting for {one_line(self.access.model)}{'' if number == 1 else f' (attempt {number})'}")
            return await self._send(path, request, limit)

        raw = await persist(attempt, self._patience, self._jitter, report, self._failed)
        return self._decoded(raw, answer)

    async def _send(self, path: str, request: bytes, limit: int) -> bytes:
        """Make one attempt. Errors are raised `from None`, because httpx's frames contain the key."""
        try:
            async with self._client.stream(
                "POST",
                self.access.at(path),
                content=request,
                headers=self.access.headers,
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),  # `persist` limits the total time
                follow_redirects=False,  # the key must not be sent to another server
            ) as response:
                if not response.is_success:
                    await self._raise_for(response)
                return await read_body(response, limit)
        except httpx.TransportError as error:
            raise Again(self.access.safe(why(error))) from None
        except Unacceptable as unacceptable:
            raise self._failed(str(unacceptable)) from None
        except (httpx.InvalidURL, UnicodeError) as error:  # httpx parses a redirect's target in any case
            raise self._failed(f"redirect to an invalid URL ({self.access.safe(str(error))})") from None

    async def _raise_for(self, response: httpx.Response) -> NoReturn:
        """Raise `Again` or a `ProviderError` with the provider's text, for a status other than 2xx."""
        status = response.status_code
        try:
            text = self.access.safe(error_text(await read_body(response, _ERROR_BYTES)))
        except (Unacceptable, Again) as unread:
            text = str(unread)
        detail = f": {text}" if text else ""
        if status == _TOO_MANY_REQUESTS:
            raise Again(f"rate limited{detail}", retry_after(response.headers))
        if response.is_server_error:
            raise Again(f"status {status}{detail}", retry_after(response.headers))
        if response.has_redirect_location:
            target = self.access.safe(response.headers["Location"].partition("?")[0])
            raise self._failed(f"status {status}, a redirect to {target}; set {self.access.setting}_url accordingly")
        advice = _ADVICE.get(status, "a retry would fail again").format(self.access.setting)
        raise self._failed(f"status {status}{detail}; {advice}")

    def _decoded(self, raw: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.ValidationError as error:
            raise self._failed(f"unexpected JSON in the response: {error}; {self._seen(raw)}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._failed(f"the response is not JSON: {error}; {self._seen(raw)}") from None
        except RecursionError:
            raise self._failed(f"the JSON in the response is nested too deeply; {self._seen(raw)}") from None

    def _seen(self, raw: bytes) -> str:
        beginning = self.access.safe(raw[:_ERROR_BYTES].decode(errors="replace"))
        return f"it begins with {shown(beginning[:_BEGINNING])}" if raw else "it is empty"

    def _failed(self, reason: str) -> ProviderError:
        return ProviderError(f"request to {self.access.name}: {reason}")


def error_text(body: bytes) -> str:
    """Return the error text of a response: OpenAI's `error.message`, variants of other providers, or the body."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    match answer:
        case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return text
    return body.decode(errors="replace")


def _base(setting: str, text: str) -> httpx.URL:
    if not text:
        return httpx.URL()
    allowed = "a URL such as https://api.openai.com/v1"
    try:
        url = httpx.URL(text)
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError(f"{setting}_url is not valid ({one_line(str(error))}); allowed: {allowed}") from None
    if url.userinfo:
        raise ConfigError(f"{setting}_url contains a user or password (not shown); put the secret in {setting}_key")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(f"{setting}_url is {shown(text)}; allowed: {allowed}")
    return url
