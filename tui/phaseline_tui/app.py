"""The program: one app, one link, one state of what is shown."""

import functools
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from phaseline_tui.address import ServerAddress
from phaseline_tui.clock import Clock
from phaseline_tui.connection import Batch, LinkState, LinkStatus, Pace
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT, choose_theme, themes_for
from phaseline_tui.messages import BatchReceived
from phaseline_tui.screens.jobs import JobsScreen
from phaseline_tui.state import ViewState

if TYPE_CHECKING:
    from phaseline_tui.link import Link

__all__ = ["ProgressApp", "run"]

_TICK: Final = 0.5
"""Seconds between two looks at the clock; twice a second, so that no second is skipped."""


class ProgressApp(App[int]):
    """Follows one server."""

    TITLE = "phaseline"
    ENABLE_COMMAND_PALETTE = True
    # Which command is chosen is told by an attribute, because NO_COLOR takes the colours.
    CSS = """
    CommandList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", show=False),
        Binding("question_mark", "help", "Help", show=False),
        Binding("r", "retry", "Reconnect", show=False),
        Binding("t", "toggle_theme", "Dark or light", show=False),
    ]

    def __init__(
        self,
        server: ServerAddress,
        *,
        clock: Clock | None = None,
        pace: Pace | None = None,
        theme: str | None = None,
        connect: bool = True,
    ) -> None:
        """Prepare to follow `server`.

        Args:
            server: where it is.
            clock: tells the time; the machine's by default.
            pace: the times that the link keeps.
            theme: the name of a theme, in all its colours; by default one that fits the terminal.
            connect: whether to connect; otherwise only what is given to `receive` is shown.
        """
        no_color = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=True if no_color else None)
        self.server = server
        self.state = ViewState()
        self.status = LinkStatus(LinkState.CONNECTING)
        self._clock = clock or Clock()
        self._pace = pace
        self._connect = connect
        self._link: Link | None = None
        self._no_color = no_color
        self._frozen_at: float | None = None
        """When the connection was lost: since then, nobody knows how the jobs go on."""
        color_system = self.console.color_system if theme is None else "truecolor"
        for each in themes_for(color_system):
            self.register_theme(each)
        self.theme = theme or choose_theme(os.environ, color_system, no_color=no_color)

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return JobsScreen(self.palette())

    def palette(self) -> Palette:
        """Return the styles of the present theme."""
        theme = self.available_themes[ANSI] if self._no_color else self.current_theme
        return Palette(theme, no_color=self._no_color)

    def on_mount(self) -> None:
        """Begin to follow the server, and the time."""
        self.theme_changed_signal.subscribe(self, lambda _theme: self._theme_changed())
        self.set_interval(_TICK, self._tick)
        if self._connect:
            self.call_after_refresh(self._start_link)

    def _start_link(self) -> None:
        """Connect. Trio is loaded only now, when the first screen is on its way to the terminal."""
        from phaseline_tui.link import Link  # noqa: PLC0415

        self._link = Link(self.server, self._deliverer(), self._pace)
        self._link.start()

    def on_unmount(self) -> None:
        """End the link; no thread stays behind."""
        if self._link is not None:
            self._link.stop()

    def _deliverer(self) -> Callable[[Batch], object]:
        """Return what the link calls, in its thread, with each batch."""
        loop = self._loop
        if loop is None:
            raise RuntimeError("the app has no event loop yet")

        def deliver(batch: Batch) -> None:
            try:
                loop.call_soon_threadsafe(self.post_message, BatchReceived(batch))
            except RuntimeError:  # The loop has closed: the program is ending.
                return

        return deliver

    def on_batch_received(self, message: BatchReceived) -> None:
        """Take in what the link received."""
        self.receive(message.batch)

    def receive(self, batch: Batch) -> None:
        """Take in a batch and show what it changed."""
        changes = self.state.apply(batch.frames, batch.received)
        self.state.ignored += batch.ignored
        if batch.status is not None:
            was_connected = self.status.state is LinkState.CONNECTED
            self.status = batch.status
            if self.status.state is LinkState.CONNECTED:
                self._frozen_at = None
            elif was_connected:
                self._frozen_at = self.status.since
        for screen in self.screen_stack:
            if isinstance(screen, JobsScreen):
                screen.show_changes(changes)

    def scene(self) -> Scene:
        """Return the moment to draw the jobs at: now, or when the server was last heard."""
        live = self.live_scene()
        if self._frozen_at is None:
            return live
        now = min(live.now, self._frozen_at)
        return live._replace(now=now, wall=live.wall - (live.now - now), stale=True)

    def live_scene(self) -> Scene:
        """Return the present moment."""
        clock = self._clock
        return Scene(clock.monotonic(), clock.wall(), clock.local, shades=self._shades)

    @functools.cached_property
    def _shades(self) -> bool:
        return self.palette().shades

    def _tick(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, JobsScreen):
                screen.tick()

    def _theme_changed(self) -> None:
        self.__dict__.pop("_shades", None)
        palette = self.palette()
        for screen in self.screen_stack:
            if isinstance(screen, JobsScreen):
                screen.set_palette(palette)
                screen.tick()

    def action_retry(self) -> None:
        """Connect again at once, if not connected."""
        if self._link is not None:
            self._link.retry_now()

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_help(self) -> None:
        """Show the keys."""
        from phaseline_tui.screens.help import HelpScreen  # noqa: PLC0415  not needed for the first screen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.palette()))

    def action_filter(self) -> None:
        """Open the filter's line."""
        if isinstance(self.screen, JobsScreen):
            self.screen.action_filter()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the commands of the palette."""
        yield SystemCommand("Filter the list", "Show only the jobs that match", self.action_filter)
        yield SystemCommand("Reconnect now", "Don't wait for the next try", self.action_retry)
        yield SystemCommand("Dark or light", "Change between the two themes of this program", self.action_toggle_theme)
        yield SystemCommand("Help", "The keys, and what the signs mean", self.action_help)
        for command in super().get_system_commands(screen):
            if command.title in {"Theme", "Quit", "Screenshot"}:
                yield command


def run(url: str) -> int:
    """Follow the server at `url` until the user quits; return the exit code.

    Args:
        url: `http://host:port`, or what `ServerAddress.parse` takes else.

    Raises:
        ConfigError: `url` is no address of a server.
    """
    app = ProgressApp(ServerAddress.parse(url))
    app.run()
    return app.return_code or 0
