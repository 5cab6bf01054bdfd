"""Hostile input: named byte strings, each the whole input of one connection."""

import json
import zlib
from itertools import product

from tests.support.door_clients import KEY, frame

HEAD = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HEAD
POST = b"POST /progress/report HTTP/1.1\r\n" + HEAD
END = b"\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n"
)
OPEN = UPGRADE + b"\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
_DEFLATE = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
_MEGABYTE = _DEFLATE.compress(bytes(1_000_000)) + _DEFLATE.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
BOMB = 50 * _MEGABYTE + _DEFLATE.flush()


def _body(document: bytes, path: bytes = b"/progress/report", kind: bytes = b"application/json") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (path, kind, len(document)) + document


def _requests() -> dict[str, bytes]:
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    return {
        "HTTP/2 with prior knowledge": PREFACE + SETTINGS + b"\0\0\x05\x01\x05\0\0\0\x01\x82\x84\x86\x41\x8a",
        "HTTP/2, a flood of settings": PREFACE + SETTINGS * 5000,
        "an upgrade to h2c": GET
        + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"
        + END,
        "h2c, and its preface at once": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + PREFACE + SETTINGS,
        "a hello of TLS": bytes.fromhex("160301006f0100006b0303") + bytes(100),
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "nothing but line breaks": b"\r\n" * 50_000,
        "no line break": b"a" * 200_000,
        "a header without end": GET + b"X: " + b"x" * 500_000,
        "a flood of headers": GET + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
        "a flood of one header": GET + b"Cookie: a=b\r\n" * 20_000 + b"\r\n",
        "a header folded": GET + b"X: a\r\n b\r\n\tc" + END,
        "space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
        "a header without a name": GET + b": x" + END,
        "a bare carriage return": GET + b"X: a\rY: b" + END,
        "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost\n\n",
        "two hosts": GET + b"Host: evil.example" + END,
        "a host in the target": b"GET http://evil.example/health HTTP/1.1\r\n" + HEAD + b"\r\n",
        "a lower-case method": b"get /health HTTP/1.1\r\n" + HEAD + b"\r\n",
        "a method of 10,000 letters": b"G" * 10_000 + b" / HTTP/1.1\r\n" + HEAD + b"\r\n",
        "a target of 15,000 letters": b"GET /" + b"x" * 15_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        "a query of 3,000 parameters": b"GET /health?" + b"a=1&" * 3000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        "expects 100, and waits": POST + b"Expect: 100-continue\r\nContent-Length: 100" + END,
        "expects something else": POST + b"Expect: everything\r\nContent-Length: 1" + END + b"x",
        "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "both lengths, the other way": POST
        + b"Transfer-Encoding: chunked\r\nContent-Length: 70\r\n\r\n0\r\n\r\n"
        + SMUGGLED,
        "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 70\r\n\r\n" + SMUGGLED,
        "a list of lengths": POST + b"Content-Length: 0, 70\r\n\r\n" + SMUGGLED,
        "a length with a sign": POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED,
        "a length in hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nhello" + SMUGGLED,
        "a length with a line break": POST + b"Content-Length: 5\r\n 0\r\n\r\nhello" + SMUGGLED,
        "a length beyond everything": POST + b"Content-Length: " + b"9" * 5000 + END,
        "a length of a gigabyte": POST + b"Content-Length: 1073741824" + END + bytes(1000),
        "a body with a GET": GET + b"Content-Length: 70\r\n\r\n" + SMUGGLED,
        "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunked and not": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunked in disguise": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "a chunk that lies": chunked + b"2\r\nhello\r\n0\r\n\r\n",
        "a chunk of a negative size": chunked + b"-1\r\nx\r\n0\r\n\r\n",
        "a chunk of 2^64 bytes": chunked + b"10000000000000000\r\nx",
        "a chunk with an extension of 100 KiB": chunked + b"1;" + b"x" * 100_000 + b"\r\nx\r\n0\r\n\r\n",
        "chunks of a byte": chunked + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n",
        "chunks beyond the limit": chunked + b"1\r\nx\r\n" * 5000 + b"40000\r\n" + b"x" * 2**18 + b"\r\n0\r\n\r\n",
        "trailers without end": chunked + b"0\r\n" + b"X: y\r\n" * 50_000,
        "three hundred requests at once": (GET + b"\r\n") * 300,
        "a climb out of the directory": b"GET /files/../../../../etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n",
        "the same, quoted": b"GET /files/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1\r\n" + HEAD + b"\r\n",
        "a path of nulls": b"GET /files/%00%00 HTTP/1.1\r\n" + HEAD + b"\r\n",
        "a path of bad UTF-8": b"GET /dalle/%ff%fe/%c0%80 HTTP/1.1\r\n" + HEAD + b"\r\n",
        "an answer split": b"GET /dalle/a%0d%0aSet-Cookie:%20x/0x1 HTTP/1.1\r\n" + HEAD + b"\r\n",
    }


def _bodies() -> dict[str, bytes]:
    job = b'{"job_id": "a", "stage": "importing", "progress": %b}'
    documents = {
        "nothing": b"",
        "no JSON": b"{",
        "nested 100,000 deep": b"[" * 100_000,
        "nested, in an object": b'{"job_id": "a", "stage": "s", "details": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
        "a number of 100,000 digits": job % (b"1" * 100_000),
        "a number with an exponent of its own": job % b"1e999999999",
        "NaN": job % b"NaN",
        "minus zero": job % b"-0.0",
        "bad UTF-8": b'{"job_id": "\xff\xfe", "stage": "x"}',
        "half a surrogate": b'{"job_id": "\\ud800", "stage": "x"}',
        "nulls": b'{"job_id": "\\u0000", "stage": "x"}',
        "a key a hundred thousand times": b"{" + b'"job_id": "a",' * 15_000 + b'"stage": "x"}',
        "a byte-order mark": b"\xef\xbb\xbf{}",
        "UTF-16": json.dumps({"job_id": "a"}).encode("utf-16"),
        "a name of 200,000 letters": b'{"job_id": "' + b"a" * 200_000 + b'", "stage": "x"}',
        "300 KiB": b" " * 300_000,
        "an array": b"[1, 2, 3]",
    }
    made = {f"a body: {name}": _body(document) for name, document in documents.items()}
    made["a body: a form of files"] = _body(
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n' + bytes(1000) + b"\r\n--x--\r\n",
        kind=b"multipart/form-data; boundary=x",
    )
    made["a body: compressed"] = POST + b"Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n" + BOMB[:100]
    made["a body: a batch of 10,000"] = _body(
        b"[" + b",".join([b'{"type": "ping"}'] * 10_000) + b"]", b"/progress/batch"
    )
    return made


def _frames() -> dict[str, bytes]:
    text = b'{"type": "ping"}'
    opened = {
        "unmasked": frame(text, masked=False),
        "a mask that is a lie": frame(text)[:2] + b"\xff\xff\xff\xff" + text,
        "bad UTF-8": frame(b"\xff\xfe\xfd"),
        "bad UTF-8 in fragments": frame(b"\xe2", final=False) + frame(b"\x28\xa1", 0),
        "fragments without end": frame(b"x", final=False) + frame(b"x", 0, final=False) * 5000,
        "fragments of nothing": frame(b"", final=False) + frame(b"", 0, final=False) * 5000,
        "a fragment of nothing before": frame(b"x", 0),
        "a message within a message": frame(b"x", final=False) + frame(b"y"),
        "a control frame in fragments": frame(b"x", 9, final=False) + frame(b"x", 0),
        "a control frame of 126 bytes": frame(b"x" * 126, 9),
        "a flood of pings": frame(b"x" * 125, 9) * 5000,
        "a flood of pongs": frame(b"", 10) * 5000,
        "a flood of messages": frame(text) * 3000,
        "a flood of nonsense": frame(b"nonsense") * 3000,
        "a close of one byte": frame(b"x", 8),
        "a close, and more": frame(b"\x03\xe8", 8) + frame(text) * 10,
        "two closes": frame(b"\x03\xe8", 8) * 2,
        "a compression bomb": frame(BOMB[:60_000], reserved=4),
        "a message of 65,537 bytes": frame(b"x" * 65_537),
        "a length of 2^63 - 1": b"\x81\xff\x7f" + b"\xff" * 7 + bytes(4),
        "a length longer than it need be": b"\x81\xfe\x00\x01" + bytes(4) + b"x",
        "half a frame": frame(text)[:5],
        "binary": frame(text, 2),
        "nested 10,000 deep": frame(b"[" * 10_000),
        "a token that is none, 100 times": frame(b'{"type": "auth", "token": "phl_x"}') * 100,
        "1000 channels, ten times": frame(json.dumps({"type": "subscribe", "channels": ["x" * 60] * 900}).encode())
        * 10,
        "positions of everywhere": frame(b'{"type": "subscribe", "since": {"epoch": "x", "seq": 9223372036854775807}}')
        * 50,
        "subscribed and gone": frame(b'{"type": "subscribe", "snapshot": true}') * 200,
    }
    made = {f"frames: {name}": OPEN + output for name, output in opened.items()}
    for opcode, reserved in product((0, 3, 7, 11, 15), (0, 1, 2, 4, 7)):
        made[f"frames: opcode {opcode}, reserved bits {reserved}"] = OPEN + frame(b"x", opcode, reserved=reserved)
    return made


def _handshakes() -> dict[str, bytes]:
    early = frame(b'{"type": "ping"}')
    return {
        "handshake: early frames": OPEN + early * 50,
        "handshake: early frames to nowhere": OPEN.replace(b"/ws", b"/none") + early * 50,
        "handshake: early nonsense": OPEN + bytes(range(256)) * 100,
        "handshake: a body": UPGRADE + b"Content-Length: 10\r\n\r\n" + bytes(10),
        "handshake: chunked": UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "handshake: twice": OPEN * 2,
        "handshake: HTTP/1.0": OPEN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "handshake: POST": OPEN.replace(b"GET", b"POST"),
        "handshake: another version": OPEN.replace(b": 13", b": 7"),
        "handshake: a version that is none": OPEN.replace(b": 13", b": thirteen"),
        "handshake: no key": OPEN.replace(b"Sec-WebSocket-Key: " + KEY + b"\r\n", b""),
        "handshake: a short key": OPEN.replace(KEY, b"AA=="),
        "handshake: two keys": UPGRADE + b"Sec-WebSocket-Key: " + KEY + END,
        "handshake: a key with an umlaut": OPEN.replace(KEY, "schlüssel".encode("latin-1")),
        "handshake: a protocol with an umlaut": UPGRADE + b"Sec-WebSocket-Protocol: \xfc" + END,
        "handshake: a thousand protocols": UPGRADE + b"Sec-WebSocket-Protocol: " + b"a, " * 1000 + b"b" + END,
        "handshake: extensions of syntax": UPGRADE + b'Sec-WebSocket-Extensions: ;=,;;="' + END,
        "handshake: deflate": UPGRADE
        + b"Sec-WebSocket-Extensions: permessage-deflate"
        + END
        + frame(BOMB[:999], reserved=4),
        "handshake: of another origin": UPGRADE + b"Origin: https://evil.example" + END + early,
        "handshake: for another host": OPEN.replace(b"localhost", b"evil.example") + early,
        "handshake: a token that is none": UPGRADE + b"Authorization: Bearer \xff\xfe" + END + early,
    }


HOSTILE: dict[str, bytes] = {**_requests(), **_bodies(), **_frames(), **_handshakes()}
"""All of it, by name."""

POLITE: list[bytes] = [
    GET + b"Connection: close" + END,
    _body(b'{"job_id": "a", "stage": "importing", "progress": 1}'),
    OPEN + frame(b'{"type": "subscribe", "channels": ["jobs"], "snapshot": true}') + frame(b'{"type": "ping"}'),
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]
"""Valid input, for random mutations."""
