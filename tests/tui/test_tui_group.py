"""The servers that share a log: in the header, in the Workers view, and what is shown while they have no news."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.app.live_data import LiveData
from phaseline_tui.drawing.cells import width_of
from phaseline_tui.drawing.group import summary_of_group
from phaseline_tui.drawing.hosts import group_rows, host_details, host_heading
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.servers import read_group
from tests.server.runtime.test_following import leader_and_follower
from tests.support.postgres import Postgres
from tests.support.tui_app import use
from tests.support.tui_jobs import FixedClock, connected, many_jobs
from tests.support.tui_pilot import text_of
from tests.support.tui_screen import Terminal
from tests.tui.test_tui_drawing import SCENE, WIDTHS
from tests.tui.test_tui_drawing import text_of as line_text

THREE = (
    {"address": "https://box-1:8443", "role": "leader", "term": 7, "lagSeconds": 0.0},
    {"address": "https://box-2:8443", "role": "follower", "term": 7, "lagSeconds": 0.12, "answers": True},
    {"address": "https://box-3:8443", "role": "away", "term": 6, "lagSeconds": None, "silentSeconds": 12.0},
)


def answer(*servers: dict[str, Any], leader: str = "https://box-1:8443") -> bytes:
    return msgspec.json.encode({"leader": leader, "servers": [{"version": "0.1.0"} | each for each in servers]})


def behind(lag_s: float, **changes: Any) -> bytes:
    """Return the answer of a server that had its last news `lag_s` ago."""
    return answer({"address": "https://box-2:8443", "answers": True, "lagSeconds": lag_s} | changes)


def connection(body: bytes) -> HostView:
    host = HostView("box-2", ServerAddress.parse("https://box-2:8443"))
    host.apply(Batch((), SCENE.now, LinkStatus(LinkState.CONNECTED, since=SCENE.now)))
    host.listed = read_group(body, SCENE.now)
    return host


@pytest.mark.parametrize(
    "server",
    [
        {},
        {"address": "\x1b[2J\n" * 100, "role": "\x1b[31m", "version": "失敗" * 100},
        {"address": "http://[::1]:8080", "term": -(2**63), "lagSeconds": -1.0, "silentSeconds": 1e300, "role": "away"},
        {"address": "box", "term": 2**62, "lagSeconds": 1e300, "answers": True},
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_keeps_its_width_with_any_answer(server: dict[str, Any], width: int) -> None:
    host = connection(answer(server, THREE[0]))
    for line in group_rows(host, width, SCENE):
        assert width_of(line) == width_of(host_heading(width))
        assert "\x1b" not in line_text(line)
    for line in host_details(host, width, SCENE):
        assert "\x1b" not in line_text(line)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (answer(*THREE), "3 servers, 1 away, leader box-1, lag 0.1s"),
        (answer(*THREE[:1], THREE[1] | {"lagSeconds": 0}), "2 servers, leader box-1, lag 0s"),
        (answer(*THREE[1:], leader=""), "2 servers, 1 away, no leader"),
        (answer(*(each | {"address": f"http://box:{n}"} for n, each in enumerate(THREE)), leader="http://box:0"),
         "3 servers, 1 away, leader box:0, lag 0.1s"),
        (behind(4.0, role="mirror"), "mirror of box-1, lag 4.0s"),
    ],
)  # fmt: skip
def test_the_header_summarizes_the_servers(body: bytes, words: str) -> None:
    assert summary_of_group(read_group(body, 0.0)) == words


def test_a_single_server_is_shown_by_its_address() -> None:
    assert connection(answer({"address": "http://a", "role": "single", "answers": True})).group is None


def test_each_server_has_a_row_below_its_connection() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        app.server_questions.receive(app.data.labels[0], answer(*THREE))
        await pilot.pause()
        assert "3 servers, 1 away, leader box-1, lag 0.1s" in text_of(app).split("\n", 1)[0]
        await pilot.resize_terminal(90, 30)
        assert "3 servers, 1 away" in text_of(app).split("\n", 1)[0]
        await pilot.press("5")
        rows = [line.split() for line in text_of(app).splitlines() if "box-" in line]
        assert [row[:3] for row in rows] == [
            ["●", "box-1", "leader"], ["●", "box-2", "follower"], ["○", "box-3", "away"]
        ]  # fmt: skip
        assert rows[1][3:5] == ["lag", "0.1s,"]
        assert "12s" in rows[2]
        assert "in use" in text_of(app)
        # The cursor passes over them, and the details stay those of the connection.
        await pilot.press("tab", "G", "down", "up", "r")
        assert "http://127.0.0.1:5100" in text_of(app)

    use(test, many_jobs(), size=(170, 30))


def test_a_server_without_news_is_stale_since_its_last_news() -> None:
    async def test(app: ProgressApp, pilot: Pilot[int]) -> None:
        label = app.data.labels[0]
        app.server_questions.receive(label, answer(*THREE))
        assert "out of date" not in text_of(app)
        app.server_questions.receive(label, behind(300.0, role="follower"))
        await pilot.pause()
        assert "no news from box-1 for 5m 00s: jobs may be out of date" in text_of(app)
        assert "retry" not in text_of(app)
        await pilot.press("5")
        assert "stale" in text_of(app)

    use(test, many_jobs(), size=(100, 30))


class Adjustable(FixedClock):
    """A clock that a test sets."""

    passed = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def wall(self) -> float:
        return super().wall() + self.passed


def test_jobs_of_a_server_without_news_are_drawn_as_of_then() -> None:
    clock = Adjustable()
    data = LiveData([ServerAddress.parse("https://box-2:8443")], clock, fold_after=900.0)
    data.apply([connected(many_jobs())])
    host = data.hosts[data.labels[0]]
    clock.passed = 400.0
    host.listed = read_group(behind(300.0), clock.monotonic())
    assert (data.scene().now, data.scene().stale) == (1100.0, True)
    # A snapshot is of the moment at which the server sends it.
    data.apply([replace(connected(many_jobs()), received=1350.0)])
    assert (data.scene().now, data.scene().stale) == (1350.0, True)
    host.listed = read_group(behind(0.0), clock.monotonic())
    assert (data.scene().now, data.scene().stale) == (1400.0, False)


def test_a_short_lag_is_not_stale() -> None:
    assert connection(behind(9.0, role="follower")).shown_status.state is LinkState.CONNECTED
    assert connection(behind(11.0, role="mirror")).shown_status.state is LinkState.STALE


@pytest.mark.slow
@pytest.mark.needs("postgres")
@pytest.mark.parametrize("separator", [",", " "])
async def test_the_program_shows_servers_that_share_a_log_as_one(
    postgres: Postgres, tmp_path: Path, separator: str
) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        first, second = (box.server.url.rpartition("/")[2] for box in (one, other))
        terminal = Terminal(f"{other.server.url}{separator}{one.server.url}".split(" "), (120, 30))
        try:
            await trio.to_thread.run_sync(
                terminal.until, lambda screen: f"2 servers, leader {first}" in screen.lines[0]
            )
            terminal.press("5")
            await trio.to_thread.run_sync(
                terminal.until, lambda screen: {"leader", "follower"} <= set(screen.text.split())
            )
            await one.kill()
            await trio.to_thread.run_sync(terminal.until, lambda screen: {"leader", "away"} <= set(screen.text.split()))
            rows = [line.split() for line in terminal.screen.lines[1:] if second in line]
            assert ["●", second, "leader"] in [row[:3] for row in rows]
        finally:
            await trio.to_thread.run_sync(terminal.quit)
