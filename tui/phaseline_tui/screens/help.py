"""The help screen: keys and symbols."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from phaseline.model.states import STATES
from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, Span, fit, pad_line
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.jobs import Shares
from phaseline_tui.widgets.fixed_lines import FixedLines

__all__ = ["HelpScreen"]

_PHASES: Final = (
    ("✓", "good", "done"),
    ("►", "now", "current"),
    ("·", "faint", "pending"),
    ("↷", "muted", "skipped"),
    ("✗", "bad", "failed"),
)
_KEY_WIDTH: Final = 43
_WIDTH: Final = 76


class HelpScreen(ModalScreen[None]):
    """Shown over the current view; each of its keys closes it."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen #help { width: 78; border: round $primary; background: $background; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", show=False),
    ]

    def __init__(self, palette: Palette, keys: Sequence[tuple[str, str]], title: str = "phaseline") -> None:
        """Show `keys`, pairs of a key and its description, under `title`."""
        super().__init__()
        self._palette = palette
        self._keys = keys
        self._title = title

    def compose(self) -> ComposeResult:
        """Yield the widgets (called by Textual)."""
        lines = FixedLines(self._palette, id="help")
        lines.border_title = self._title
        lines.border_subtitle = "Esc closes"
        yield lines

    def on_mount(self) -> None:
        """Show the lines."""
        self.query_one(FixedLines).show(_lines(self._keys, shades=self._palette.shades))


def _lines(keys: Sequence[tuple[str, str]], *, shades: bool) -> list[Line]:
    left: list[Line] = [((" KEYS", "label"),)]
    left += [((f" {fit(key, 11)}", "key"), (what, "text")) for key, what in keys]
    right = _symbols(shades=shades)
    return [
        pad_line(
            (
                *pad_line(left[at] if at < len(left) else (), _KEY_WIDTH - 1),
                (" ", ""),
                *(right[at] if at < len(right) else ()),
            ),
            _WIDTH,
        )
        for at in range(max(len(left), len(right)))
    ]


def _symbols(*, shades: bool) -> list[Line]:
    """Return the explanation of the symbols."""
    lines: list[Line] = [
        (("JOBS", "label"),),
        *(((f"{state.sign} {fit(state.word, 10)}", state.tone), (state.meaning, "muted")) for state in STATES),
    ]
    phases: list[Span] = []
    for glyph, style, word in _PHASES:
        phases += [(f"{glyph} ", style), (f"{word}  ", "muted")]
    lines += [(), (("PHASES", "label"),), tuple(phases[:6]), tuple(phases[6:])]
    return [
        *lines,
        (),
        (("PROGRESS BAR", "label"),),
        bar(Shares(38.0, 57.0, 76.0), 30, shades=shades),
        (("past phases, current phase,", "muted"),),
        (("its rest, pending phases", "muted"),),
        (),
        (("████", "past"), ("│", "muted"), ("╵", "muted"), (" average and slow end", "muted")),
    ]
