"""The window title, the progress in the tab and notifications."""

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline_tui.app.terminal_status import TerminalStatus
from phaseline_tui.model.jobs import JobView, State
from phaseline_tui.model.totals import Counts, Totals
from phaseline_tui.terminal import title
from phaseline_tui.user.settings import Settings

BUSY = Totals(Counts(active=3, stalled=1, done=5, failed=2), 5, 4.0, 60.0, 0, 1, 42.7)
IDLE = Totals(Counts(done=5), 5, 0.0, None, 0, 1, 0.0)


def terminal_status(settings: Settings, **environ: str) -> tuple[TerminalStatus, list[str]]:
    written: list[str] = []
    return TerminalStatus(settings, written.append, environ), written


def test_title_and_progress_are_written_when_they_change_and_removed_at_the_end() -> None:
    status, written = terminal_status(Settings(), WT_SESSION="c0ffee")
    status.start()
    status.update(BUSY, "box")
    status.update(BUSY, "box")
    status.update(IDLE, "box")
    status.stop()
    assert written == [
        "\x1b[22;2t",
        "\x1b]2;43% · 3 active · 2 failed · box\x1b\\",
        "\x1b]9;4;1;42\x1b\\",
        "\x1b]2;idle · box\x1b\\",
        "\x1b]9;4;0;0\x1b\\",
        "\x1b]9;4;0;0\x1b\\",
        "\x1b[23;2t",
    ]


def test_title_and_progress_can_be_disabled() -> None:
    status, written = terminal_status(Settings(title=False, progress=False))
    status.start()
    status.update(BUSY, "box")
    status.notify_ended([JobView("a", state=State.FAILED)])
    status.stop()
    assert written == []


@pytest.mark.parametrize(("progress", "written_for"), [(True, 0), ("always", 1), (False, 0)])
def test_progress_is_written_to_an_unknown_terminal_only_with_the_setting_always(
    progress: bool | Literal["always"], written_for: int
) -> None:
    status, written = terminal_status(Settings(title=False, progress=progress))
    status.update(BUSY, "box")
    assert len(written) == written_for


def test_sequences_are_wrapped_for_tmux() -> None:
    status, written = terminal_status(Settings(title=False), TMUX="/run/tmux,1,0", WT_SESSION="c0ffee")
    status.update(BUSY, "box")
    assert written == ["\x1bPtmux;\x1b\x1b]9;4;1;42\x1b\x1b\\\x1b\\"]


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        ("bell", "\a"),
        ("osc9", "\x1b]9;phaseline: a.jpg is done\x1b\\"),
        ("osc777", "\x1b]777;notify;phaseline;a.jpg is done\x1b\\"),
    ],
)
def test_the_end_of_a_job_is_notified_by_the_chosen_method(notify: str, expected: str) -> None:
    status, written = terminal_status(Settings(notify=notify))  # type: ignore[arg-type]
    status.notify_ended([JobView("1", name="a.jpg", state=State.COMPLETED), JobView("2", state=State.LOST)])
    assert written == [expected]


def test_many_ends_are_one_notification() -> None:
    status, written = terminal_status(Settings(notify="osc9"))
    status.notify_ended([JobView(str(n), state=State.FAILED if n == 3 else State.COMPLETED) for n in range(9)])
    assert written == ["\x1b]9;phaseline: 8 jobs done, 1 failed\x1b\\"]


@given(st.text())
def test_text_cannot_end_a_sequence(words: str) -> None:
    for sequence in (
        title.title(words),
        title.notification("osc9", words),
        title.notification("osc777", words),
    ):
        assert re.fullmatch(r"\x1b\](2;|9;phaseline: |777;notify;phaseline;)[^\x00-\x1f\x7f-\x9f;]*\x1b\\", sequence)
