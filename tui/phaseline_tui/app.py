"""The program: one app, a link for each server, one state of what is shown."""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.console import RenderableType
from textual._compositor import ChopsUpdate
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from phaseline_tui import doing
from phaseline_tui.address import ServerAddress, labels
from phaseline_tui.backlog import Backlog
from phaseline_tui.clock import Clock
from phaseline_tui.connection import Access, Batch, LinkState, LinkStatus, Pace, Reply
from phaseline_tui.drawing.ascii import AsciiFilter
from phaseline_tui.drawing.encoding import CellsUpdate
from phaseline_tui.drawing.hosts import all_in_short, worst
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.themes import ANSI, DARK, LIGHT, choose_theme, themes_for
from phaseline_tui.events import EventLog
from phaseline_tui.hosts import HostView
from phaseline_tui.jobs import JobKey
from phaseline_tui.keys import bindings
from phaseline_tui.messages import BatchesReceived
from phaseline_tui.outside import Outside
from phaseline_tui.reasons import Ended
from phaseline_tui.remembered import Remembered, read_remembered, write_remembered
from phaseline_tui.screens.jobs import JobsScreen
from phaseline_tui.settings import Settings
from phaseline_tui.sorting import COLUMNS, Order
from phaseline_tui.state import Changes, ViewState
from phaseline_tui.views import VIEWS, View, ViewScreen, offered, view_called

if TYPE_CHECKING:
    from phaseline_tui.link import Links

__all__ = ["ProgressApp", "run"]

_TICK: Final = 1.0
"""Seconds between two looks at the clock."""


class ProgressApp(App[int]):
    """Follows one server, or several."""

    TITLE = "phaseline"
    ENABLE_COMMAND_PALETTE = True
    # Which command is chosen is told by an attribute, because NO_COLOR takes the colours.
    CSS = """
    CommandList:nocolor > .option-list--option-highlighted { text-style: bold underline; }
    """
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
        no_color = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=True if no_color else None)
        self.servers = (servers,) if isinstance(servers, ServerAddress) else tuple(servers)
        self.settings = settings or Settings()
        self.state = ViewState(fold_after=self.settings.fold_after)
        self._remembered = remembered
        self.labels = tuple(labels(self.servers))
        """What each server is called, in the same order."""
        self.hosts = {label: HostView(label, server) for label, server in zip(self.labels, self.servers, strict=True)}
        """What is known of each connection, by its label."""
        self.events = EventLog()
        self.job: JobKey | None = None
        """The job that was chosen last, in whichever view."""
        self._clock = clock or Clock()
        self._pace = pace
        self._access = access
        self._connect = connect
        self._links: Links | None = None
        self._no_color = no_color
        self._backlog: Backlog | None = None
        """While the screen is held still: what came since."""
        self._held_at: Scene | None = None
        self._outside = Outside(self.settings, self._write_outside)
        self._frozen_at: dict[str, float] = {}
        """When each lost connection was lost: since then, nobody knows how its jobs go on."""
        color_system = self.console.color_system if theme is None else "truecolor"
        for each in themes_for(color_system):
            self.register_theme(each)
        chosen = self._theme_called(self.settings.theme) or self._theme_called(remembered.theme if remembered else "")
        fitting = choose_theme(os.environ, color_system, no_color=no_color)
        self.theme = theme or (chosen if chosen and fitting != ANSI else fitting)
        if remembered is not None:
            self.state.set_filter(remembered.filter)
            self.state.set_order(Order(remembered.sort if remembered.sort in COLUMNS else "", remembered.reverse))
        self.totals = self.state.totals(0.0)
        """All jobs together, as of the last look at the clock."""

    def _theme_called(self, name: str) -> str | None:
        """Return a theme's whole name; None if there is none."""
        return next((each for each in (name, f"phaseline-{name}") if each in self.available_themes), None)

    @property
    def status(self) -> LinkStatus:
        """How the connection is that is worst off."""
        return worst(list(self.hosts.values()))

    @property
    def followed(self) -> str:
        """What the header calls the servers."""
        return all_in_short(list(self.hosts.values()))

    @property
    def statuses(self) -> dict[str, LinkStatus]:
        """How each connection is, by its label."""
        return {label: host.status for label, host in self.hosts.items()}

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return JobsScreen(self.palette())

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Write to the terminal what changed (called by Textual)."""
        if isinstance(renderable, ChopsUpdate):
            renderable = cast("RenderableType", CellsUpdate(renderable))
        super()._display(screen, renderable)

    def palette(self) -> Palette:
        """Return the styles of the present theme."""
        theme = self.available_themes[ANSI] if self._no_color else self.current_theme
        return Palette(theme, no_color=self._no_color)

    def on_mount(self) -> None:
        """Begin to follow the server, and the time."""
        self.theme_changed_signal.subscribe(self, lambda _theme: self._theme_changed())
        self.set_keymap(self.settings.keys)
        self._outside.start()
        self._advance()
        view = view_called(self._remembered.view) if self._remembered is not None else None
        if view is not None:
            self.show_view(view)
        self.set_interval(_TICK, self._tick)
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

    async def action_quit(self) -> None:
        """End the program, and keep how the screen was left."""
        if self._remembered is not None:
            write_remembered(self.left())
        await super().action_quit()

    def _write_outside(self, sequence: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)
            self._driver.flush()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line goes through before it is drawn (called by Textual)."""
        filters = super().get_line_filters()
        return [*filters, AsciiFilter()] if self.settings.ascii else filters

    def _deliverer(self) -> Callable[[tuple[Batch, ...]], object]:
        """Return what the links call, in their thread, with the batches of each beat."""
        loop = self._loop
        if loop is None:
            raise RuntimeError("the app has no event loop yet")

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
        """Take in batches and show what they changed; while the screen is held still, only how the connections are."""
        changes = Changes()
        for batch in batches:
            now = batch
            if self._backlog is not None:
                self._backlog.add(replace(batch, origin=batch.origin or self.labels[0]))
                now = replace(batch, frames=())
            changes.add(self._take(now))
        self._outside.tell_ends(self.state.jobs[key] for key in changes.ended if key in self.state.jobs)
        if changes.order:
            self._advance()
        for screen in self.views_on_stack():
            screen.show_changes(changes)

    def _take(self, batch: Batch) -> Changes:
        origin = batch.origin or self.labels[0]
        host = self.hosts[origin]
        was_connected = host.status.state is LinkState.CONNECTED
        host.take(batch)
        changes = self.state.apply(batch.frames, batch.received, origin)
        self.state.ignored += batch.ignored
        live = self.live_scene()
        self.events.take(batch.frames, origin, live.wall - (live.now - batch.received), self._name_of)
        if batch.status is not None:
            changes.status = True
            if batch.status.state is LinkState.CONNECTED:
                self._frozen_at.pop(origin, None)
            elif was_connected:
                self._frozen_at[origin] = batch.status.since
        return changes

    def _name_of(self, key: JobKey) -> str:
        job = self.state.jobs.get(key)
        return job.name if job is not None else ""

    def views_on_stack(self) -> list[ViewScreen]:
        """Return the views that are shown, or lie under what is."""
        return [screen for screen in self.screen_stack if isinstance(screen, ViewScreen)]

    def scene(self, origin: str = "") -> Scene:
        """Return the moment to draw the jobs of `origin` at: now, or when it was last heard."""
        live = self._held_at or self.live_scene()
        frozen_at = self._frozen_at.get(origin or self.labels[0])
        if frozen_at is None:
            return live
        now = min(live.now, frozen_at)
        return live._replace(now=now, wall=live.wall - (live.now - now), stale=True)

    def live_scene(self) -> Scene:
        """Return the present moment."""
        clock = self._clock
        return Scene(clock.monotonic(), clock.wall(), clock.local, shades=self._shades and not self.settings.ascii)

    @functools.cached_property
    def _shades(self) -> bool:
        return self.palette().shades

    def _advance(self) -> None:
        """Let time pass in the state."""
        live = self.live_scene()
        if self._backlog is not None:
            return
        try:
            midnight = live.local(live.wall).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        except (ValueError, OverflowError, OSError):
            midnight = 0.0
        if self.state.advance(live.now, live.wall):
            for screen in self.views_on_stack():
                screen.show_changes(Changes(order=True))
        self.totals = self.state.totals(midnight)
        self._outside.show(self.totals, self.followed)

    @property
    def held(self) -> int | None:
        """How many messages came since the screen was held still; None if it isn't."""
        return None if self._backlog is None else self._backlog.count

    def action_pause(self) -> None:
        """Hold the screen still, or let it go on with all that came meanwhile."""
        backlog = self._backlog
        if backlog is None:
            self._backlog, self._held_at = Backlog(), self.live_scene()
        else:
            self._backlog = self._held_at = None
            self.receive(*backlog.batches())
        self._tick()

    def _tick(self) -> None:
        self._advance()
        for screen in self.views_on_stack():
            screen.tick()

    def _theme_changed(self) -> None:
        self.__dict__.pop("_shades", None)
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
        doing.copy(self)

    def action_picture(self) -> None:
        """Show the picture of the chosen job."""
        doing.show_picture(self)

    def action_cancel(self) -> None:
        """Cancel or remove the chosen jobs, after asking."""
        doing.cancel(self)

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

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT if self.theme == DARK else DARK

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
        """Yield the commands of the palette."""
        yield SystemCommand("Filter the list", "Show only the jobs that match", self.action_filter)
        yield SystemCommand("Copy", "The ids of the chosen jobs, or what the view offers", self.action_copy)
        yield SystemCommand("Picture", "The picture that the chosen job made", self.action_picture)
        yield SystemCommand(
            "Remove or cancel", "The chosen pictures, or their jobs at work, after asking", self.action_cancel
        )
        yield SystemCommand("Reconnect now", "Don't wait for the next try", self.action_retry)
        yield SystemCommand("Dark or light", "Change between the two themes of this program", self.action_toggle_theme)
        for view in offered():
            yield SystemCommand(f"View: {view.name}", f"Key {view.key}", functools.partial(self.show_view, view))
        yield SystemCommand("Hold or release the screen", "What comes meanwhile is kept", self.action_pause)
        yield SystemCommand("Help", "The keys, and what the signs mean", self.action_help)
        for command in super().get_system_commands(screen):
            if command.title in {"Theme", "Quit", "Screenshot"}:
                yield command


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
