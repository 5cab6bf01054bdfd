"""Links: secrets that show one job to a reader without a token, stored as hashes.

They are in `links.json`, or in the log if servers share it.

A link ends when it expires, when it is revoked, and when the token that created it ends.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec
import structlog
import trio

from phaseline.errors import ConfigError, TooMany
from phaseline_server.access.grant import Grant, Scope
from phaseline_server.access.secret_files import (
    ID_LENGTH,
    Document,
    decoded,
    digest,
    encoded,
    new_secret,
)
from phaseline_server.errors import LogUnavailable, NoLink

__all__ = ["DOCUMENT", "MAX_PER_JOB", "PREFIX", "Link", "Links"]

_log = structlog.get_logger(__name__)

DOCUMENT: Final = "links"
"""The name of the document that has them."""
PREFIX: Final = "phl_link_"
MAX_PER_JOB: Final = 20
_MOST: Final = 1000
_SHARE: Final = 4  # one token has at most a quarter of all links


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The stored part of one link.

    Attributes:
        sha256: The SHA-256 of its secret, in hexadecimal.
        job: The id of the job that it shows.
        creator: The id of the token that created it.
        created: When it was created, in seconds since 1970.
        expires: When it expires, in seconds since 1970.
    """

    sha256: str
    job: str
    creator: str
    created: float
    expires: float

    @property
    def id(self) -> str:
        """The short id that identifies it to people."""
        return self.sha256[:ID_LENGTH]

    @property
    def grant(self) -> Grant:
        """Its grant."""
        return Grant(Scope.READ, token=self.id, job=self.job)


class _LinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    links: tuple[Link, ...] = ()


class Links:
    """The links of a server; they are few, so each change writes the whole document."""

    def __init__(self, document: Document, is_token: Callable[[str], bool]) -> None:
        """Read the links.

        Args:
            document: Their document.
            is_token: Returns whether the token with an id is valid.

        Raises:
            ConfigError: The document is not readable or not valid.
        """
        self._document = document
        self._is_token = is_token
        self._links: dict[str, Link] = {}
        self._by_id: dict[str, Link] = {}
        self._seen: object = None
        self._changing = trio.Lock()
        with suppress(LogUnavailable):  # it is read later
            self._load(first=True)

    def grant_of(self, text: str) -> Grant | None:
        """Return the grant of a link's secret; None if the link has ended or never existed."""
        self._load()
        link = self._links.get(digest(text))
        return link.grant if link is not None and self._counts(link) else None

    def keeps(self, grant: Grant) -> bool:
        """Return whether the link with this grant has not ended."""
        self._load()
        link = self._by_id.get(grant.token)
        return link is not None and link.grant == grant and self._counts(link)

    def of(self, job_id: str) -> list[Link]:
        """Return the links to a job, oldest first."""
        self._load()
        return [link for link in self._links.values() if link.job == job_id and self._counts(link)]

    async def create(self, job_id: str, creator: str, lifetime_s: float) -> tuple[str, Link]:
        """Create a link.

        Args:
            job_id: The job to show.
            creator: The id of the client's token.
            lifetime_s: Its lifetime, in seconds.

        Returns:
            The secret, which cannot be read again later, and its stored part.

        Raises:
            TooMany: There are too many links to this job, of this token, or in total.
            PhaselineError: See `Document.change`.
        """
        text, now = new_secret(PREFIX), time.time()
        link = Link(sha256=digest(text), job=job_id, creator=creator, created=now, expires=now + lifetime_s)

        def add(links: tuple[Link, ...]) -> Iterable[Link]:
            kept = [each for each in links if each.expires > now]
            valid = [each for each in kept if self._counts(each)]
            _check_room(valid, link)
            # Another server may know more tokens than this one, so links without a token stay while there is room.
            return (*(valid if len(kept) >= _MOST else kept), link)

        await self._change(add)
        return text, link

    async def revoke(self, job_id: str, link_id: str | None) -> list[Link]:
        """Delete a link to a job, or all links to it, and return what was deleted.

        Raises:
            NoLink: The job has no such link.
            PhaselineError: See `Document.change`.
        """
        found: list[Link] = []

        def remove(links: tuple[Link, ...]) -> Iterable[Link]:
            found.extend(link for link in links if link.job == job_id and link_id in {None, link.id})
            if link_id is not None and not found:
                raise NoLink(job_id, link_id)
            return [link for link in links if link not in found]

        await self._change(remove)
        return found

    async def _change(self, change: Callable[[tuple[Link, ...]], Iterable[Link]]) -> None:
        def replace(content: bytes | None) -> bytes:
            return encoded(_LinkDocument(links=tuple(change(self._decoded(content)))))

        async with self._changing:  # one thread at a time, for any number of requests
            await trio.to_thread.run_sync(self._document.change, replace)
        self._load()

    def _decoded(self, content: bytes | None) -> tuple[Link, ...]:
        return () if content is None else decoded(content, _LinkDocument, self._document, "link").links

    def _counts(self, link: Link) -> bool:
        return link.expires > time.time() and self._is_token(link.creator)

    def _load(self, *, first: bool = False) -> None:
        """Read the document if it has changed. If it is deleted or damaged, every link has ended."""
        seen = self._document.fingerprint()
        if seen == self._seen and not first:
            return
        self._seen = seen
        try:
            links = self._decoded(self._document.read())
        except ConfigError as error:
            if first:
                raise
            _log.error("cannot read the links; rejecting all of them", error=str(error))
            links = ()
        self._links = {link.sha256: link for link in links}
        self._by_id = {link.id: link for link in self._links.values()}


def _check_room(links: list[Link], link: Link) -> None:
    jobs, creators = Counter(each.job for each in links), Counter(each.creator for each in links)
    share = _MOST // _SHARE
    for count, most, what in (
        (jobs[link.job], MAX_PER_JOB, "links to this job"),
        (creators[link.creator], share, "links of this token"),
        (len(links), _MOST, "links"),
    ):
        if count >= most:
            raise TooMany(f"there are {count} {what}; allowed: at most {most}; revoke one that is not needed")
