"""The app: connects the links, the received data, the views and the terminal."""

import asyncio
import gc
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from phaseline_tui.app import key_actions
from phaseline_tui.app.appearance import ThemedApp
from phaseline_tui.app.box_questions import BoxQuestions
from phaseline_tui.app.live_data import LiveData
from phaseline_tui.app.palette_commands import commands
from phaseline_tui.app.server_questions import ServerQuestions
from phaseline_tui.app.terminal_status import TerminalStatus
from phaseline_tui.drawing.themes import ANSI
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.boxes import Box, box_of
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.clock import Clock
from phaseline_tui.model.connection import Batch, Reply, Timing
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.sorting import COLUMNS, Order
from phaseline_tui.model.state import ViewState
from phaseline_tui.screens.jobs import JobsScreen
from phaseline_tui.screens.views import VIEWS, View, ViewScreen, offered, view_called
from phaseline_tui.terminal.termination import handle_termination
from phaseline_tui.terminal.textual_internals import write
from phaseline_tui.user.keys import bindings
from phaseline_tui.user.remembered import Remembered, write_remembered
from phaseline_tui.user.settings import Settings
from phaseline_tui.widgets.messages import BatchesReceived

if TYPE_CHECKING:
    from phaseline_tui.link import Links

__all__ = ["ProgressApp"]

_TICK: Final = 1.0
"""Seconds between two updates of times on the screen."""
_STARTED: Final = 2.0
"""Seconds until the first screen is certainly complete."""


class ProgressApp(ThemedApp):
    """The app of `progress-tui`; follows one or more servers."""

    TITLE = "phaseline"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("quit", "help", "retry", "theme", "pause", "suspend"),
        *bindings("copy", "picture", "output", "dismiss", "cancel", "pause-job"),
        *(Binding(view.key, f"view('{view.name}')", view.name, show=False) for view in VIEWS),
    ]

    def __init__(  # noqa: PLR0913 (the defaults are those of a user; tests and scripts override them)
        self,
        servers: ServerAddress | Sequence[ServerAddress],
        *,
        clock: Clock | None = None,
        timing: Timing | None = None,
        access: Access | None = None,
        settings: Settings | None = None,
        remembered: Remembered | None = None,
        theme: str | None = None,
        connect: bool = True,
    ) -> None:
        """Prepare to follow `servers`.

        Args:
            servers: At least one server.
            clock: Source of times. [the machine's clocks]
            timing: Time-outs and intervals of the links.
            access: Tokens and certificates.
            settings: The user's settings.
            remembered: State of the last session. If it is given, the state is saved at exit.
            theme: Name of a theme, shown in full color. [one that fits the terminal]
            connect: Whether to connect; otherwise the app shows only batches passed to `receive`.
        """
        self.settings = settings or Settings()
        wanted = (self.settings.theme, remembered.theme if remembered else "")
        super().__init__(wanted, theme=theme, without_unicode=self.settings.ascii)
        self.servers = (servers,) if isinstance(servers, ServerAddress) else tuple(servers)
        self.data = LiveData(self.servers, clock or Clock(), fold_after=self.settings.fold_after)
        self._remembered = remembered
        self.job: JobKey | None = None
        """The job selected last in any view."""
        self._timing = timing
        self._access = access
        self._connect = connect
        self._links: Links | None = None
        self._boxes = BoxQuestions(self)
        self.server_questions = ServerQuestions(self)
        self._terminal_status = TerminalStatus(self.settings, self._write_to_terminal)
        if remembered is not None:
            self.state.set_filter(remembered.filter)
            self.state.set_order(Order(remembered.sort if remembered.sort in COLUMNS else "", remembered.reverse))
        self.data.shades = self.shades

    @property
    def state(self) -> ViewState:
        """The jobs and the list of visible ones."""
        return self.data.state

    def box(self) -> Box | None:
        """Return the only box, or that of the job selected last; None if there is none."""
        return box_of(self.data.boxes, None if self.job is None else self.state.jobs.get(self.job))

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return JobsScreen(self.palette())

    def on_mount(self) -> None:
        """Start the links and the timers (called by Textual)."""
        self.theme_changed_signal.subscribe(self, lambda _theme: self._theme_changed())
        self.set_keymap(self.settings.keys)
        if not self.is_headless:
            handle_termination(asyncio.get_running_loop(), self._save, lambda code: self.exit(return_code=code))
        self._terminal_status.start()
        self.app_suspend_signal.subscribe(self, lambda _app: self._terminal_status.stop())
        self.app_resume_signal.subscribe(self, lambda _app: self._resumed())
        self._advance()
        view = view_called(self._remembered.view) if self._remembered is not None else None
        if view is not None:
            self.show_view(view)
        self.set_interval(_TICK, self._tick)
        if not gc.isenabled():
            self.set_timer(_STARTED, _collect_garbage)
        if self._connect:
            self.call_after_refresh(self._start_links)
            self._boxes.start()
            self.server_questions.start()

    def _start_links(self) -> None:
        """Start the links. Trio is imported only now, after the first screen was drawn."""
        from phaseline_tui.link import Links  # noqa: PLC0415

        self._links = Links(self.servers, self._deliverer(), self._timing, self._access, waits=True)
        self._links.start()

    def request(self, origin: str, method: str, path: str, body: bytes = b"") -> "Future[Reply]":
        """Send an HTTP request to the server labeled `origin` (see `Links.request`)."""
        if self._links is not None:
            return self._links.request(origin, method, path, body)
        future: Future[Reply] = Future()
        future.set_exception(LinkError(f"{origin} is not connected"))
        return future

    def on_unmount(self) -> None:
        """Stop the links and their thread (called by Textual)."""
        self._terminal_status.stop()
        if self._links is not None:
            self._links.stop()

    def _resumed(self) -> None:
        """Draw everything again after the program was suspended, because the terminal's screen is blank."""
        self._terminal_status.start()
        self.refresh(layout=True)
        self._tick()

    def session_state(self) -> Remembered:
        """Return the state to restore in the next session."""
        view = next((screen.view for screen in reversed(self.views_on_stack())), VIEWS[0].name)
        order = self.state.order
        ours = self.theme if self.theme != ANSI else ""
        return Remembered(view, order.column, order.reverse, self.state.filter.text, ours)

    def _save(self) -> None:
        """Save the state for the next session."""
        if self._remembered is not None:
            write_remembered(self.session_state())

    async def action_quit(self) -> None:
        """Save the state and quit."""
        self._save()
        await super().action_quit()

    def _write_to_terminal(self, sequence: str) -> None:
        write(self, sequence)

    def _deliverer(self) -> Callable[[tuple[Batch, ...]], object]:
        """Return the function that the links call in their thread with the batches of each tick."""
        loop = asyncio.get_running_loop()

        def deliver(batches: tuple[Batch, ...]) -> None:
            try:
                loop.call_soon_threadsafe(self.post_message, BatchesReceived(batches))
            except RuntimeError:  # the loop is closed, because the program is ending
                return

        return deliver

    def on_batches_received(self, message: BatchesReceived) -> None:
        """Apply the batches that the links received."""
        self.receive(*message.batches)
        if self._links is not None:
            self._links.applied()

    def receive(self, *batches: Batch) -> None:
        """Apply batches and show the changes."""
        self._show(self.data.apply(batches))

    def _show(self, changes: Changes) -> None:
        self._terminal_status.notify_ended(self.state.jobs[key] for key in changes.ended if key in self.state.jobs)
        if changes.order:
            self._advance()
        for screen in self.views_on_stack():
            screen.show_changes(changes)

    def views_on_stack(self) -> list[ViewScreen]:
        """Return the views on the screen stack, shown or covered."""
        return [screen for screen in self.screen_stack if isinstance(screen, ViewScreen)]

    def _advance(self) -> None:
        """Update everything that depends on the time."""
        if self.data.advance():
            for screen in self.views_on_stack():
                screen.show_changes(Changes(order=True))
        if self.data.paused is None:
            self._terminal_status.update(self.data.totals, self.data.servers_name)

    def action_pause(self) -> None:
        """Pause the screen, or resume it with all that was received meanwhile."""
        if self.data.paused is None:
            self.data.pause()
        else:
            self._show(self.data.resume())
        self._tick()

    def _tick(self) -> None:
        self._advance()
        for screen in self.views_on_stack():
            screen.tick()

    def _theme_changed(self) -> None:
        self.data.shades = self.shades
        palette = self.palette()
        for screen in self.views_on_stack():
            screen.set_palette(palette)
            screen.tick()

    def action_retry(self) -> None:
        """Reconnect at once wherever the connection is lost or stale."""
        self.retry()

    def retry(self, origin: str | None = None) -> None:
        """Reconnect at once to the server labeled `origin`, or to all, if the connection is lost or stale."""
        if self._links is not None:
            self._links.retry_now(origin)

    def action_copy(self) -> None:
        """Copy the view's selection to the clipboard."""
        key_actions.copy(self)

    def action_picture(self) -> None:
        """Show the picture of the selected job."""
        key_actions.show_picture(self)

    def action_cancel(self) -> None:
        """Cancel or remove the selected jobs after a confirmation."""
        key_actions.cancel(self)

    def action_pause_job(self) -> None:
        """Pause the selected jobs, or resume those that are paused."""
        key_actions.pause(self)

    def action_view(self, name: str) -> None:
        """Show the view called `name`."""
        view = next((each for each in offered() if each.name == name), None)
        if view is not None:
            self.show_view(view)

    def show_view(self, view: View) -> None:
        """Show `view`. Above the jobs view, the screen stack has at most one other view and its details."""
        showing = self.screen
        if not isinstance(showing, ViewScreen) or showing.view == view.name:
            return
        while self.screen is not self.screen_stack[0]:
            self.pop_screen()
        if view.name != VIEWS[0].name:
            self.push_screen(view.make(self.palette()))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable views that are not installed (called by Textual)."""
        if action == "view":
            return any(view.name == parameters[0] for view in offered())
        return super().check_action(action, parameters)

    def action_help(self) -> None:
        """Show the help screen."""
        from phaseline_tui.screens.help import HelpScreen  # noqa: PLC0415 (not needed for the first screen)

        if not isinstance(self.screen, HelpScreen):
            screen = self.screen
            keys = screen.help_keys() if isinstance(screen, ViewScreen) else ()
            self.push_screen(HelpScreen(self.palette(), keys, getattr(screen, "view", "") or "phaseline"))

    def action_filter(self) -> None:
        """Open the filter line of the jobs view."""
        if isinstance(self.screen, JobsScreen):
            self.screen.action_filter()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the commands of the command palette (called by Textual)."""
        yield from commands(self)
        for command in super().get_system_commands(screen):
            if command.title in {"Theme", "Quit", "Screenshot"}:
                yield command


def _collect_garbage() -> None:
    """Enable garbage collection, but exempt the objects of the start, which live until the end."""
    gc.freeze()
    gc.enable()
