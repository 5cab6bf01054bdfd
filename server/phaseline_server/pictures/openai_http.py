"""The one way to ask an OpenAI-compatible API: authorised, bounded, repeated with patience, failing in clear words."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, NoReturn, TypeVar

import httpx
import msgspec

from phaseline.errors import ConfigError, ProviderError, shown
from phaseline_server.pictures.http_client import IDENTITY, Unacceptable, one_line, public, read_body, retry_after, why
from phaseline_server.pictures.retry import Again, Retries, persist

__all__ = ["ApiAccess", "OpenAIClient"]

T = TypeVar("T")

# An address that nobody answers at should not use up a time-out that is meant for painting.
_CONNECT_SECONDS: Final = 10.0
# More of an answer that isn't 2xx is not read: it holds one sentence.
_ERROR_BYTES: Final = 65_536
_BEGINNING: Final = 60
# A shorter key is a placeholder for a server that wants none ("none", "EMPTY"), and such words occur in any text.
_SHORTEST_SECRET: Final = 8

_TOO_MANY_REQUESTS: Final = 429
_ADVICE: Final = {
    401: "check {0}_key",
    403: "check {0}_key and what it may use",
    404: "check {0}_url and {0}_model",
}


class ApiAccess:
    """Where an API is, what to ask there, and the key, which no `repr`, error or log shows.

    Attributes:
        setting: `image` or `chat`: what the settings' names begin with.
        url: The base address; paths such as `/images/generations` are added to it, its query is kept. It may be
            empty: then every request fails and says so.
        model: The model's name.
        headers: What each request carries; its `repr` hides the key.

    Raises:
        ConfigError: The address is not http or https, holds a password, or the key fits in no header.
    """

    def __init__(self, setting: Literal["image", "chat"], base_url: str, key: str, model: str) -> None:
        self.setting = setting
        self.model = model
        self.url = _base(setting, base_url)
        self.headers = httpx.Headers(IDENTITY | {"Accept": "application/json", "Content-Type": "application/json"})
        self._key = key.strip()
        if not self._key:
            return
        if not all("!" <= character <= "~" for character in self._key):
            raise ConfigError(f"{setting}_key has characters that no key has (not shown); allowed: printable ASCII")
        self.headers["Authorization"] = f"Bearer {self._key}"

    @property
    def name(self) -> str:
        """The model and its address, fit for an error's text."""
        return f"{one_line(self.model)} at {public(self.url)}"

    def at(self, path: str) -> httpx.URL:
        """Return the address of `path`, which begins with `/`."""
        return self.url.copy_with(path=self.url.path.rstrip("/") + path)

    def safe(self, text: str) -> str:
        """Return a provider's text as one short line, without the key, which some providers repeat."""
        line = one_line(text, _ERROR_BYTES)  # before the key is sought: control characters might hide it
        if len(self._key) >= _SHORTEST_SECRET:
            line = line.replace(self._key, "***")
            line = line.replace(self._key.replace("/", "\\/"), "***")  # as some encoders of JSON write it
        return one_line(line)


class OpenAIClient:
    """Posts JSON and returns typed answers, on one `ApiAccess` with one `Retries`."""

    def __init__(self, client: httpx.AsyncClient, access: ApiAccess, patience: Retries, jitter: random.Random) -> None:
        """Take the `client` to send with; whoever made it closes it. `jitter` is the waits' randomness."""
        self.access = access
        self._client = client
        self._patience = patience
        self._jitter = jitter

    async def post(
        self, path: str, body: dict[str, Any], answer: type[T], limit: int, report: Callable[[str], Awaitable[None]]
    ) -> T:
        """Return the answer to `body` at `path`, decoded as `answer`.

        429, 5xx, failed connections and time-outs are tried again; other answers than 2xx are final.

        Args:
            path: Added to the base address; begins with `/`.
            body: The request, as JSON.
            answer: A msgspec type; fields that it lacks are passed over.
            limit: The most bytes that the answer may have.
            report: Gets a line about each attempt and each wait.

        Raises:
            ProviderError: There was no usable answer; the text says what came instead.
        """
        if not self.access.url.host:
            raise ProviderError(f"{self.access.setting}_url is empty, so nobody can be asked; set it to an address")
        request = msgspec.json.encode(body)

        async def attempt(number: int) -> bytes:
            await report(f"asked {one_line(self.access.model)}{'' if number == 1 else f' (attempt {number})'}")
            return await self._ask(path, request, limit)

        raw = await persist(attempt, self._patience, self._jitter, report, self._failed)
        return self._decoded(raw, answer)

    async def _ask(self, path: str, request: bytes, limit: int) -> bytes:
        """Make one attempt; `from None` throughout, because httpx's own frames hold the key."""
        try:
            async with self._client.stream(
                "POST",
                self.access.at(path),
                content=request,
                headers=self.access.headers,
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),  # Trio's clock limits the whole
                follow_redirects=False,  # the key is meant for this address alone
            ) as response:
                if not response.is_success:
                    await self._refuse(response)
                return await read_body(response, limit)
        except httpx.TransportError as error:
            raise Again(self.access.safe(why(error))) from None
        except Unacceptable as unacceptable:
            raise self._failed(str(unacceptable)) from None
        except (httpx.InvalidURL, UnicodeError) as error:  # httpx reads a redirect's target before it is asked to
            raise self._failed(f"redirected to what is no address ({self.access.safe(str(error))})") from None

    async def _refuse(self, response: httpx.Response) -> NoReturn:
        """Turn an answer that isn't 2xx into `Again` or a `ProviderError`, with the provider's own words."""
        status = response.status_code
        try:
            words = self.access.safe(error_text(await read_body(response, _ERROR_BYTES)))
        except (Unacceptable, Again) as unread:
            words = str(unread)
        said = f": {words}" if words else ""
        if status == _TOO_MANY_REQUESTS:
            raise Again(f"rate limited{said}", retry_after(response.headers))
        if response.is_server_error:
            raise Again(f"answered {status}{said}", retry_after(response.headers))
        if response.has_redirect_location:
            target = self.access.safe(response.headers["Location"].partition("?")[0])
            raise self._failed(f"answered {status}, a redirect to {target}; set {self.access.setting}_url accordingly")
        advice = _ADVICE.get(status, "the same request would be refused again").format(self.access.setting)
        raise self._failed(f"answered {status}{said}; {advice}")

    def _decoded(self, raw: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.ValidationError as error:
            raise self._failed(f"answered JSON of another shape: {error}; {self._seen(raw)}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._failed(f"answered what is not JSON: {error}; {self._seen(raw)}") from None
        except RecursionError:
            raise self._failed(f"answered JSON that is nested too deeply; {self._seen(raw)}") from None

    def _seen(self, raw: bytes) -> str:
        beginning = self.access.safe(raw[:_ERROR_BYTES].decode(errors="replace"))
        return f"it begins with {shown(beginning[:_BEGINNING])}" if raw else "it is empty"

    def _failed(self, what: str) -> ProviderError:
        return ProviderError(f"asking {self.access.name}: {what}")


def error_text(body: bytes) -> str:
    """Return what a provider says went wrong: OpenAI's `error.message`, its relatives' spellings, or the body."""
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
    allowed = "an address such as https://api.openai.com/v1"
    try:
        url = httpx.URL(text)
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError(f"{setting}_url can't be read ({one_line(str(error))}); allowed: {allowed}") from None
    if url.userinfo:
        raise ConfigError(f"{setting}_url holds a user or password (not shown); put the secret in {setting}_key")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(f"{setting}_url is {shown(text)}; allowed: {allowed}")
    return url
