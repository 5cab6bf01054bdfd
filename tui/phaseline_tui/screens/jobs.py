"""The jobs view: the list of jobs and the details of one."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical

from phaseline_tui.drawing import chrome
from phaseline_tui.drawing.layout import column_at, heading
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.sorting import COLUMNS, Order
from phaseline_tui.screens.dismissal import ask
from phaseline_tui.screens.views import ViewScreen
from phaseline_tui.user.keys import Place, bindings, help_of
from phaseline_tui.widgets.filter_line import FilterLine
from phaseline_tui.widgets.fixed_lines import ColumnTitles, FixedLines
from phaseline_tui.widgets.job_detail import JobDetail
from phaseline_tui.widgets.job_list import JobList
from phaseline_tui.widgets.messages import FilterChanged, JobChosen, SearchChanged, TitleClicked
from phaseline_tui.widgets.search_line import SearchLine

__all__ = ["JobsScreen"]

_BESIDE_WIDTH = 150
_BELOW_HEIGHT = 30


class JobsScreen(ViewScreen):
    """The list with the details beside it, below it, or in its place, depending on the size of the terminal."""

    DEFAULT_CSS = """
    JobsScreen { layout: vertical; background: $background; }
    #panes { height: 1fr; layout: vertical; }
    #list-pane { height: 1fr; }
    #jobs { height: 1fr; }
    #panes.-beside { layout: horizontal; }
    #panes.-beside #list-pane { width: 16fr; }
    #panes.-beside #detail { width: 9fr; border-left: solid $panel; }
    #panes.-below #list-pane { height: 2fr; }
    #panes.-below #detail { height: 3fr; border-top: solid $panel; }
    #panes.-instead #detail { height: 1fr; }
    #panes #detail:focus { border-left: solid $primary; }
    #panes.-below #detail:focus { border-left: none; border-top: solid $primary; }
    #panes.-instead #detail:focus { border-left: none; }
    """
    view = "Jobs"
    AUTO_FOCUS = "#jobs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        *bindings("filter", "next-error", "dismiss-all"),
    ]

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        app = self.owner
        self._head = FixedLines(palette, id="header", ground="chrome")
        self._trouble = FixedLines(palette, id="trouble")
        self._heading = ColumnTitles(palette, id="heading")
        self._list = JobList(palette, app.state, app.data.scene)
        self._detail = JobDetail(palette, app.data.scene)
        self._left = Vertical(self._heading, self._list, id="list-pane")
        self._panes = Container(self._left, self._detail, id="panes")
        self._filter = FilterLine()
        self._search = SearchLine()
        self._keys = FixedLines(palette, id="keys", ground="chrome")
        self._opened = False

    def compose(self) -> ComposeResult:
        """Yield the widgets (called by Textual)."""
        yield self._head
        yield self._trouble
        yield self._panes
        yield self._filter
        yield self._search
        yield self._keys

    def on_mount(self) -> None:
        """Show the data received so far."""
        self._filter.value = self.owner.state.filter.text
        self._arrange()
        self.tick()

    def on_resize(self, _event: events.Resize) -> None:
        """Lay out the details for the new size."""
        self._arrange()
        self.call_after_refresh(self.tick)

    def help_keys(self) -> list[tuple[str, str]]:
        """Return the keys of the list or the details, whichever has the focus."""
        places: tuple[Place, ...] = ("detail",) if self._detail.has_focus else ("list", "jobs")
        return [*help_of(places, self.owner.settings.keys), ("Esc", "back, or clear the filter"), *super().help_keys()]

    def chosen_jobs(self) -> list[JobKey]:
        """Return the marked jobs, or the selected one."""
        state = self.owner.state
        if state.marked:
            return [key for key in state.visible if key in state.marked]
        return [] if self._list.chosen is None else [self._list.chosen]

    def show_changes(self, changes: Changes) -> None:
        """Show the changes of a batch."""
        if changes.order or changes.status:
            self._list.follow()
            self.tick()
            return
        self._list.show_jobs(changes.jobs)
        if self._detail.display and self._list.chosen in changes.jobs:
            self._show_detail()

    def tick(self) -> None:
        """Redraw everything for the current time."""
        self._list.several_hosts = self.owner.data.totals.hosts > 1
        self._show_head()
        self._show_keys()
        self._show_empty()
        self._list.update_lines()  # before the titles, because it may change the columns
        state = self.owner.state
        order = state.order
        titles = heading(self._list.columns, order.column, reverse=order.reverse)
        head = ((" ", ""), *titles) if state.visible and self._list.size.width else ()
        self._heading.show([head])
        self._show_detail()

    def _show_head(self) -> None:
        """Show the totals of all jobs, and problems of the connection."""
        app, width = self.owner, self.size.width
        data = app.data
        live = data.live_scene()
        self._head.show(
            [
                chrome.header(
                    data.servers_summary,
                    data.status,
                    app.state.counts,
                    width,
                    live,
                    totals=data.totals,
                    short=data.servers_name,
                    paused=data.paused,
                    box=app.box(),
                    boxes=len(data.boxes),
                )
            ]
        )
        cut = [chrome.cut_notice(width)] if app.state.cut else []
        self._trouble.show([*chrome.trouble(data.status, width, live), *cut])

    def _show_keys(self) -> None:
        """Show the keys that apply where the focus is."""
        state = self.owner.state
        shown, total = len(state.visible), len(state.jobs)
        where: chrome.Place = "list"
        if self._filter.has_focus:
            where = "filter"
        elif self._detail.has_focus:
            where = "page" if self._panes.has_class("-instead") else "detail"
        self._keys.show(
            [chrome.keys(self.size.width, state.filter.text, shown, total, where=where, problem=state.filter.problem)]
        )

    def _show_empty(self) -> None:
        """Show why the list is empty, if it is."""
        app, state, width = self.owner, self.owner.state, self._list.size.width
        if not state.visible and width:
            self._list.show_notice(
                chrome.empty(
                    app.servers[0].url,
                    app.data.status,
                    width,
                    synced=bool(state.synced),
                    filter_text=state.filter.text if state.jobs else "",
                    filter_hint=state.filter.problem or state.filter.hint,
                )
            )

    def _show_detail(self) -> None:
        if self._detail.display:
            chosen = self._list.chosen
            self._detail.show(None if chosen is None else self.owner.state.jobs.get(chosen))

    def _arrange(self) -> None:
        width, height = self.app.size
        beside = width >= _BESIDE_WIDTH
        below = not beside and height >= _BELOW_HEIGHT and self._opened
        instead = not beside and height < _BELOW_HEIGHT and self._opened
        self._detail.display = beside or below or instead
        self._left.display = not instead
        self._panes.set_class(beside, "-beside")
        self._panes.set_class(below, "-below")
        self._panes.set_class(instead, "-instead")

    def on_job_chosen(self, message: JobChosen) -> None:
        """Show the details of the selected job."""
        self.owner.job = message.key
        self.tick()

    def action_detail(self) -> None:
        """Open the details of the selected job and focus them. On the line of folded jobs, list these."""
        if self._list.on_fold:
            below = len(self.owner.state.visible)
            self.owner.state.unfold(unfolded=True)
            self._list.choose(below)
            self.tick()
            return
        if self._list.chosen is None:
            return
        self._opened = True
        self._list.pin()
        self._arrange()
        self.set_focus(self._detail)
        self.call_after_refresh(self.tick)

    def action_back(self) -> None:
        """Close the details. In the list, clear the filter, then the marks, then fold old jobs again."""
        if self._opened:
            self._opened = False
            self._arrange()
            self.call_after_refresh(self.tick)
        elif self.owner.state.filter:
            self._filter.value = ""
        elif self.owner.state.marked:
            self.owner.state.marked.clear()
            self.tick()
        elif self.owner.state.unfolded:
            self.owner.state.unfold(unfolded=False)
            self._list.follow()
            self.tick()
        self.set_focus(self._list)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the filter key while an input line has the focus, or the details, which use it for search."""
        del parameters
        return not (action == "filter" and (self._filter.has_focus or self._search.has_focus or self._detail.has_focus))

    def action_sort(self) -> None:
        """Sort by the next column; after the last one, in the default order."""
        self._sort(self.owner.state.order.next())

    def action_reverse(self) -> None:
        """Reverse the order."""
        order = self.owner.state.order
        self._sort(order._replace(reverse=not order.reverse))

    def on_title_clicked(self, message: TitleClicked) -> None:
        """Sort by the column whose title was clicked; a second click reverses the order."""
        column = column_at(self._list.columns, message.cell - 1)
        if column == self.owner.state.order.column:
            self.action_reverse()
        elif column in COLUMNS:
            self._sort(Order(column))

    def _sort(self, order: Order) -> None:
        self.owner.state.set_order(order)
        self._list.forget_widths()
        self._list.follow()
        self.tick()

    def action_next_error(self) -> None:
        """Select the next job that failed, is lost or is stalled."""
        key = self.owner.state.next_error(self._list.chosen)
        if key is not None:
            self._list.choose_job(key)

    def action_dismiss_bad(self) -> None:
        """Dismiss all listed jobs that failed or are lost, after a confirmation."""
        state = self.owner.state
        bad = [job for key in state.visible if (job := state.jobs[key]).state.bad]
        if bad:
            ask(self, bad)
        else:
            self.notify("no listed job failed or is lost", markup=False, timeout=3)

    def action_filter(self) -> None:
        """Open the filter line."""
        if self._opened:
            self.action_back()
        self._filter.open(self._list)

    def action_search(self) -> None:
        """Open the search line."""
        self._search.open(self._detail)

    def on_search_changed(self, message: SearchChanged) -> None:
        """Search the details for the new text."""
        self._detail.search(message.text)

    def to_copy(self) -> str:
        """Return the value selected in the details, or the ids of the marked jobs or the selected job."""
        if self._detail.has_focus:
            return self._detail.to_copy()
        return "\n".join(key.job_id for key in self.chosen_jobs())

    def on_filter_changed(self, message: FilterChanged) -> None:
        """Apply the new filter."""
        self.owner.state.set_filter(message.text)
        self._list.forget_widths()
        self._list.follow()
        self.tick()

    def on_descendant_focus(self) -> None:
        """Show the keys of the widget that has the focus now."""
        self.call_after_refresh(self.tick)
