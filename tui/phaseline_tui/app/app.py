"""The program: one app, a link for each server, one state of what is shown."""

import asyncio
import gc
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from phaseline_tui.app import key_actions
from phaseline_tui.app.appearance import DressedApp
from phaseline_tui.app.board import Board
from phaseline_tui.app.palette_commands import commands
from phaseline_tui.app.terminal_status import Outside
from phaseline_tui.drawing.themes import ANSI
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.clock import Clock
from phaseline_tui.model.connection import Access, Batch, Pace, Reply
from phaseline_tui.model.failures import Ended
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.sorting import COLUMNS, Order
from phaseline_tui.model.state import Changes, ViewState
from phaseline_tui.screens.jobs import JobsScreen
from phaseline_tui.screens.views import VIEWS, View, ViewScreen, offered, view_called
from phaseline_tui.terminal.endings import heed_ends
from phaseline_tui.terminal.textual_internals import write
from phaseline_tui.user.keys import bindings
from phaseline_tui.user.remembered import Remembered, read_remembered, write_remembered
from phaseline_tui.user.settings import Settings
from phaseline_tui.widgets.messages import BatchesReceived

if TYPE_CHECKING:
    from phaseline_tui.link import Links

__all__ = ["ProgressApp", "run"]

_TICK: Final = 1.0
"""Seconds between two looks at the clock."""
_STARTED: Final = 2.0
"""Seconds until the first screen is there for sure."""


class ProgressApp(DressedApp):
    """Follows one server, or several."""

    TITLE = "phaseline"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("quit", "help", "retry", "theme", "pause", "copy", "picture", "cancel"),
        *(Binding(view.key, f"view('{view.name}')", view.name, show=False) for view in VIEWS),
    ]

    def __init__(  # noqa: PLR0913  what a test or a script doesn't give is what a user has
        self,
        servers: ServerAddress | Sequence[ServerAddress],
        *,
        clock: Clock | None = None,
        pace: Pace | None = None,
        access: Access | None = None,
        settings: Settings | None = None,
        remembered: Remembered | None = None,
        theme: str | None = None,
        connect: bool = True,
    ) -> None:
        """Prepare to follow `servers`.

        Args:
            servers: where they are; at least one.
            clock: tells the time; the machine's by default.
            pace: the times that the links keep.
            access: tokens and certificates.
            settings: the user's.
            remembered: how the screen was left the last time; it is kept for the next time if this is given.
            theme: the name of a theme, in all its colours; by default one that fits the terminal.
            connect: whether to connect; otherwise only what is given to `receive` is shown.
        """
        self.settings = settings or Settings()
        wanted = (self.settings.theme, remembered.theme if remembered else "")
        super().__init__(wanted, theme=theme, without_unicode=self.settings.ascii)
        self.servers = (servers,) if isinstance(servers, ServerAddress) else tuple(servers)
        self.board = Board(self.servers, clock or Clock(), fold_after=self.settings.fold_after)
        self._remembered = remembered
        self.job: JobKey | None = None
        """The job that was chosen last, in whichever view."""
        self._pace = pace
        self._access = access
        self._connect = connect
        self._links: Links | None = None
        self._outside = Outside(self.settings, self._write_outside)
        if remembered is not None:
            self.state.set_filter(remembered.filter)
            self.state.set_order(Order(remembered.sort if remembered.sort in COLUMNS else "", remembered.reverse))
        self.board.shades = self.shades

    @property
    def state(self) -> ViewState:
        """The jobs, and which of them are listed."""
        return self.board.state

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return JobsScreen(self.palette())

    def on_mount(self) -> None:
        """Begin to follow the server, and the time."""
        self.theme_changed_signal.subscribe(self, lambda _theme: self._theme_changed())
        self.set_keymap(self.settings.keys)
        if not self.is_headless:
            heed_ends(asyncio.get_running_loop(), self._keep, lambda code: self.exit(return_code=code))
        self._outside.start()
        self._advance()
        view = view_called(self._remembered.view) if self._remembered is not None else None
        if view is not None:
            self.show_view(view)
        self.set_interval(_TICK, self._tick)
        if not gc.isenabled():
            self.set_timer(_STARTED, _collect_garbage)
        if self._connect:
            self.call_after_refresh(self._start_links)

    def _start_links(self) -> None:
        """Connect. Trio is loaded only now, when the first screen is on its way to the terminal."""
        from phaseline_tui.link import Links  # noqa: PLC0415

        self._links = Links(self.servers, self._deliverer(), self._pace, self._access)
        self._links.start()

    def request(self, origin: str, method: str, path: str) -> "Future[Reply]":
        """Send an HTTP request to the server called `origin` (see `Links.request`)."""
        if self._links is not None:
            return self._links.request(origin, method, path)
        future: Future[Reply] = Future()
        future.set_exception(Ended(f"{origin} is not connected"))
        return future

    def on_unmount(self) -> None:
        """End the links; no thread stays behind."""
        self._outside.stop()
        if self._links is not None:
            self._links.stop()

    def left(self) -> Remembered:
        """Return how the screen is left."""
        view = next((screen.view for screen in reversed(self.views_on_stack())), VIEWS[0].name)
        order = self.state.order
        ours = self.theme if self.theme != ANSI else ""
        return Remembered(view, order.column, order.reverse, self.state.filter.text, ours)

    def _keep(self) -> None:
        """Keep how the screen was left."""
        if self._remembered is not None:
            write_remembered(self.left())

    async def action_quit(self) -> None:
        """End the program, and keep how the screen was left."""
        self._keep()
        await super().action_quit()

    def _write_outside(self, sequence: str) -> None:
        write(self, sequence)

    def _deliverer(self) -> Callable[[tuple[Batch, ...]], object]:
        """Return what the links call, in their thread, with the batches of each beat."""
        loop = asyncio.get_running_loop()

        def deliver(batches: tuple[Batch, ...]) -> None:
            try:
                loop.call_soon_threadsafe(self.post_message, BatchesReceived(batches))
            except RuntimeError:  # The loop has closed: the program is ending.
                return

        return deliver

    def on_batches_received(self, message: BatchesReceived) -> None:
        """Take in what the links received."""
        self.receive(*message.batches)

    def receive(self, *batches: Batch) -> None:
        """Take in batches and show what they changed."""
        self._show(self.board.take(batches))

    def _show(self, changes: Changes) -> None:
        self._outside.tell_ends(self.state.jobs[key] for key in changes.ended if key in self.state.jobs)
        if changes.order:
            self._advance()
        for screen in self.views_on_stack():
            screen.show_changes(changes)

    def views_on_stack(self) -> list[ViewScreen]:
        """Return the views that are shown, or lie under what is."""
        return [screen for screen in self.screen_stack if isinstance(screen, ViewScreen)]

    def _advance(self) -> None:
        """Let time pass."""
        if self.board.advance():
            for screen in self.views_on_stack():
                screen.show_changes(Changes(order=True))
        if self.board.held is None:
            self._outside.show(self.board.totals, self.board.followed)

    def action_pause(self) -> None:
        """Hold the screen still, or let it go on with all that came meanwhile."""
        if self.board.held is None:
            self.board.hold()
        else:
            self._show(self.board.release())
        self._tick()

    def _tick(self) -> None:
        self._advance()
        for screen in self.views_on_stack():
            screen.tick()

    def _theme_changed(self) -> None:
        self.board.shades = self.shades
        palette = self.palette()
        for screen in self.views_on_stack():
            screen.set_palette(palette)
            screen.tick()

    def action_retry(self) -> None:
        """Connect again at once, where not connected."""
        self.retry()

    def retry(self, origin: str | None = None) -> None:
        """Connect again at once to the server called `origin`, or to all, where not connected."""
        if self._links is not None:
            self._links.retry_now(origin)

    def action_copy(self) -> None:
        """Copy what the view offers to the clipboard."""
        key_actions.copy(self)

    def action_picture(self) -> None:
        """Show the picture of the chosen job."""
        key_actions.show_picture(self)

    def action_cancel(self) -> None:
        """Cancel or remove the chosen jobs, after asking."""
        key_actions.cancel(self)

    def action_view(self, name: str) -> None:
        """Change to another view."""
        view = next((each for each in offered() if each.name == name), None)
        if view is not None:
            self.show_view(view)

    def show_view(self, view: View) -> None:
        """Change to `view`: the jobs lie at the bottom of the stack, any other view above them, one at a time."""
        showing = self.screen
        if not isinstance(showing, ViewScreen) or showing.view == view.name:
            return
        if showing is not self.screen_stack[0]:
            self.pop_screen()
        if view.name != VIEWS[0].name:
            self.push_screen(view.make(self.palette()))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no view that is not there."""
        if action == "view":
            return any(view.name == parameters[0] for view in offered())
        return super().check_action(action, parameters)

    def action_help(self) -> None:
        """Show the keys."""
        from phaseline_tui.screens.help import HelpScreen  # noqa: PLC0415  not needed for the first screen

        if not isinstance(self.screen, HelpScreen):
            screen = self.screen
            keys = screen.help_keys() if isinstance(screen, ViewScreen) else ()
            self.push_screen(HelpScreen(self.palette(), keys, getattr(screen, "view", "") or "phaseline"))

    def action_filter(self) -> None:
        """Open the filter's line."""
        if isinstance(self.screen, JobsScreen):
            self.screen.action_filter()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the commands of the palette (called by Textual)."""
        yield from commands(self)
        for command in super().get_system_commands(screen):
            if command.title in {"Theme", "Quit", "Screenshot"}:
                yield command


def _collect_garbage() -> None:
    """Collect garbage from now on, but look no more through what the start has made, which stays to the end."""
    gc.freeze()
    gc.enable()


def run(servers: Sequence[ServerAddress], settings: Settings, access: Access) -> int:
    """Follow `servers` until the user quits; return the exit code.

    Args:
        servers: at least one.
        settings: the user's.
        access: tokens and certificates.
    """
    remembered = read_remembered() if settings.remember else None
    app = ProgressApp(servers, access=access, settings=settings, remembered=remembered)
    app.run()
    return app.return_code or 0
