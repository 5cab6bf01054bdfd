"""Received frames are read as wsproto reads them, wherever the network cuts them."""

import itertools
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from phaseline_server.door import Limits
from phaseline_server.door.endpoint import Endpoint
from phaseline_server.door.incoming import Incoming
from tests.support.door_clients import frame

MESSAGE = 1024

texts = st.sampled_from(["", "{}", "é🜁", "x" * 125, "x" * 126, "ü" * 500, "x" * MESSAGE]).map(str.encode)
usual = st.builds(frame, texts, mask_key=st.integers(1, 2**32 - 1))
fragments = st.lists(texts, min_size=2, max_size=3).map(
    lambda parts: b"".join(
        frame(part, 0 if number else 1, final=number == len(parts) - 1) for number, part in enumerate(parts)
    )
)
others = st.sampled_from(
    [
        *(frame(b"binary", 2), frame(b"ping", 9), frame(b"pong", 10), frame(b"\x03\xe8", 8), frame(b"\x03\xe8bye", 8)),
        *(frame(b"x", final=False), frame(b"x", 0), frame(b"x", reserved=4), frame(b"x", masked=False), frame(b"x", 3)),
        *(
            frame(b"\xff\xfe"),
            frame("é".encode()[:1]),
            b"\x81\xfe\x00\x02" + bytes(4) + b"{}",
            b"\x81\xff" + b"\xff" * 8,
        ),
    ]
)
streams = st.lists(usual | fragments | others, max_size=6).map(b"".join)
cuts = st.lists(st.integers(0, 4000), max_size=6)


def pieces(data: bytes, at: Sequence[int]) -> list[bytes]:
    """Return the data, cut at these places."""
    places = [0, *sorted(min(place, len(data)) for place in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def read_by_wsproto(data: bytes) -> tuple[list[str | bytes], int | None]:
    """Return the messages that wsproto finds in the data up to a close, and the code of the close."""
    wire = Connection(ConnectionType.SERVER)
    wire.receive_data(data)
    messages: list[str | bytes] = []
    text, binary = "", b""  # of the incomplete message
    for event in wire.events():
        if isinstance(event, CloseConnection):
            return messages, int(event.code)
        if isinstance(event, TextMessage):
            text += event.data
        elif isinstance(event, BytesMessage):
            binary += event.data
        if isinstance(event, TextMessage | BytesMessage) and event.message_finished:
            messages.append(text if isinstance(event, TextMessage) else binary)
            text, binary = "", b""
    return messages, None


@given(data=streams, at=cuts)
@example(
    data=frame(b"one", mask_key=7) + frame("é🜁".encode(), mask_key=2**31) + frame(b"ping", 9) * 2, at=[1, 3, 5, 20]
)
@example(data=frame(b"x", final=False) + frame(b"{}"), at=[])
@example(data=frame(b"binary", 2) + frame(b"one") + frame(b"two"), at=[9, 20])
def test_frames_mean_the_same_as_to_wsproto(data: bytes, at: list[int]) -> None:
    endpoint = Endpoint(Limits(message=2**20, fragments=1000))
    for piece in pieces(data, at):
        endpoint.feed(piece)
    assert (endpoint.messages, endpoint.close_code) == read_by_wsproto(data)


def test_whole_texts_never_reach_wsproto_and_others_always_do() -> None:
    text, other = frame(b"one", mask_key=7), frame(b"x" * 2000)
    found = list(Incoming(MESSAGE).cut(text + other + text))
    assert found == ["one", other, "one"]


def test_an_incomplete_frame_is_collected_only_up_to_the_limit() -> None:
    incoming = Incoming(MESSAGE)
    short, long = frame(b"x" * MESSAGE), frame(b"x" * (MESSAGE + 1))
    assert list(incoming.cut(short[:-1])) == []
    assert list(incoming.cut(short[-1:] + long[:-1])) == ["x" * MESSAGE, long[:-1]]
    assert list(incoming.cut(long[-1:])) == [long[-1:]]
    assert list(incoming.cut(short)) == ["x" * MESSAGE]
