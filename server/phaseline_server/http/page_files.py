"""The files of the web pages, each read and compressed once."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from quart import Response, request

__all__ = ["PAGE", "PageFile", "compressed", "modules_of", "read_files", "serve_file"]

PAGE: Final = Path(__file__).parent / "page"
"""The folder of the templates, styles and scripts."""
_KINDS: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".json": "application/manifest+json; charset=utf-8",
    ".png": "image/png",
}
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
_IMPORT: Final = re.compile(rb'^(?:import|export)\b[^;]*?\bfrom "\./([\w-]+\.js)";', re.MULTILINE)
"""A static import, which a script's first run waits for; `import(...)` loads its module later."""
_WORKER: Final = "worker.js"
"""The service worker, which serves the folder above its own: the pages."""
_WORTH: Final = 512
"""Size in bytes from which compression saves a packet."""


class PageFile(NamedTuple):
    """One file, as it is sent."""

    name: str
    plain: bytes
    packed: bytes
    tag: str
    kind: str


@cache
def read_files() -> Mapping[str, PageFile]:
    """Return all files but the templates, by name."""
    files, contents = {}, {path: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.suffix != ".py"}
    version = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
    # Browsers install the service worker again when a byte of it differs.
    contents[PAGE / _WORKER] += f"// Version {version}\n".encode()
    for path, plain in contents.items():
        if kind := _KINDS.get(path.suffix):
            tag = hashlib.sha256(plain).hexdigest()[:16]
            files[path.name] = PageFile(path.name, plain, gzip.compress(plain, mtime=0), tag, kind)
    return files


def modules_of(files: Mapping[str, PageFile], *entries: str) -> list[str]:
    """Return the names of the modules that these ones need to run, themselves included, in order of their names."""
    found, wanted = set[str](), [*entries]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += [each.decode() for each in _IMPORT.findall(files[name].plain)]
    return sorted(found)


def serve_file(file: PageFile) -> Response:
    """Return the answer to the current request for a file: compressed if its client can, empty if it has the file."""
    packs = _accepts_gzip()
    # A strong tag names one representation, and the compressed file is another one.
    tag = f'"{file.tag}{"-gzip" if packs else ""}"'
    headers = _HEADERS | {"ETag": tag}
    if file.name == _WORKER:
        headers["Service-Worker-Allowed"] = "../"
    if request.if_none_match.contains_weak(tag.strip('"')):
        return Response(b"", 304, headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.plain, headers=headers, content_type=file.kind)


def compressed(text: str, headers: Mapping[str, str]) -> Response:
    """Return a page made for the current request, compressed if its client can."""
    body, sent = text.encode(), dict(headers) | {"Vary": "Accept-Encoding"}
    if len(body) >= _WORTH and _accepts_gzip():
        body = gzip.compress(body, 5)
        sent["Content-Encoding"] = "gzip"
    return Response(body, headers=sent, content_type="text/html; charset=utf-8")


def _accepts_gzip() -> bool:
    return any(name == "gzip" and quality > 0 for name, quality in request.accept_encodings)
