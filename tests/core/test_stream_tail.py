"""The tail of the stream against a plain list of all messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import Unrecoverable
from phaseline.stream import Message, Position, Tail, job_channel


def message(seq: int) -> Message:
    return Message(seq, "job_progress", "j", frozenset({"jobs"}), b"%d" % seq)


def tail_of(count: int, size: int, seq: int = 0) -> Tail:
    tail = Tail("e", size, seq)
    for i in range(count):
        tail.extend([message(seq + 1 + i)])
    return tail


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5), st.integers(-3, 30))
def test_the_tail_returns_all_missed_messages_or_raises(count: int, size: int, start: int, asked: int) -> None:
    tail = tail_of(count, size, start)
    every = [message(seq) for seq in range(start + 1, start + count + 1)]
    kept = every[max(0, count - size) :]
    assert tail.top == Position("e", start + count)
    missed = [each for each in every if each.seq > asked]
    if asked <= start + count and missed == kept[len(kept) - len(missed) :] and asked >= start:
        assert tail.since(Position("e", asked)) == tuple(missed)
    else:
        with pytest.raises(Unrecoverable):
            tail.since(Position("e", asked))


def test_a_client_that_is_up_to_date_receives_nothing() -> None:
    assert tail_of(5, 3).since(Position("e", 5)) == ()
    assert tail_of(0, 3).since(Position("e", 0)) == ()
    assert tail_of(5, 0).since(Position("e", 5)) == ()


def test_a_full_tail_drops_its_oldest_message() -> None:
    tail = tail_of(5, 3)
    assert [each.seq for each in tail.since(Position("e", 2))] == [3, 4, 5]


@pytest.mark.parametrize(
    "position",
    [
        Position("e", 1),  # discarded
        Position("e", 0),
        Position("e", -1),
        Position("e", 6),  # ahead
        Position("f", 5),  # of another epoch
        Position("", 5),
        Position("E", 5),
    ],
)
def test_a_lost_position_is_rejected_with_the_available_ones(position: Position) -> None:
    with pytest.raises(Unrecoverable) as refused:
        tail_of(5, 3).since(position)
    expected = f"can't resume from position '{position.epoch}'/{position.seq}; allowed: 'e'/2 to 'e'/5"
    assert str(refused.value) == expected


def test_a_hostile_position_is_shown_in_one_printable_line() -> None:
    with pytest.raises(Unrecoverable) as refused:
        tail_of(5, 3).since(Position("\x1b[2J\n" * 1000, 10**5000))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("seq", [4, 5, 7, 0, -1])
def test_a_message_out_of_order_is_rejected(seq: int) -> None:
    tail = tail_of(5, 3)
    with pytest.raises(ValueError, match=rf"^seq is {seq}; allowed: 6, the next number$"):
        tail.extend([message(seq)])
    assert tail.top == Position("e", 5)
    assert len(tail.since(Position("e", 2))) == 3


def test_the_channel_of_a_job_has_its_name() -> None:
    assert job_channel("dalle:simple:0x1") == "job:dalle:simple:0x1"
