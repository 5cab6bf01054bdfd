"""The help screen: the keys, and what the signs mean."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, Span, fit, pad_line, width_of
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.rows import state_style
from phaseline_tui.drawing.words import state_glyph, state_word
from phaseline_tui.jobs import Shares, State
from phaseline_tui.widgets.fixed_lines import FixedLines

__all__ = ["HelpScreen"]

_KEYS: Final = (
    ("↑ ↓  j k", "one job up, down"),
    ("g  G", "first job, last job"),
    ("PgUp PgDn", "a page up, down"),
    ("Enter", "details of the job"),
    ("Tab", "between list and details"),
    ("Esc", "back; all jobs again"),
    ("/", "filter: words, !word leaves out"),
    ("r", "connect again now"),
    ("t", "dark or light"),
    ("Ctrl+P", "all commands and themes"),
    ("?", "this help"),
    ("q", "quit"),
)
_STATES: Final = (State.ACTIVE, State.STALLED, State.LOST, State.COMPLETED, State.FAILED, State.CANCELLED)
_MEANINGS: Final = ("at work", "silent for too long", "not heard of again", "ended well", "ended badly", "was stopped")
_PHASES: Final = (
    ("✓", "good", "done"),
    ("►", "now", "current"),
    ("·", "faint", "to come"),
    ("↷", "muted", "skipped"),
    ("✗", "bad", "failed"),
)
_KEY_WIDTH: Final = 44
_WIDTH: Final = 76


class HelpScreen(ModalScreen[None]):
    """Shown over the rest; any of its keys closes it."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen #help { width: 78; border: round $primary; background: $background; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", show=False),
    ]

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Put the lines on the screen."""
        lines = FixedLines(self._palette, id="help")
        lines.border_title = "phaseline"
        lines.border_subtitle = "Esc closes"
        yield lines

    def on_mount(self) -> None:
        """Fill in the lines."""
        self.query_one(FixedLines).show(_lines(shades=self._palette.shades))


def _lines(*, shades: bool) -> list[Line]:
    left: list[Line] = [((" KEYS", "label"),)]
    left += [((f" {fit(key, 11)}", "key"), (what, "text")) for key, what in _KEYS]
    right: list[Line] = [(("JOBS", "label"),)]
    for state, meaning in zip(_STATES, _MEANINGS, strict=True):
        style = state_style(state)
        right.append(((f"{state_glyph(state)} {fit(state_word(state), 10)}", style), (meaning, "muted")))
    right.append(())
    right.append((("PHASES", "label"),))
    phases: list[Span] = []
    for glyph, style, word in _PHASES:
        phases += [(f"{glyph} ", style), (f"{word}  ", "muted")]
    right += [tuple(phases[:6]), tuple(phases[6:])]
    right.append(())
    bars: list[Line] = [
        ((" A BAR", "label"),),
        (
            (" ", ""),
            *bar(Shares(38.0, 57.0, 76.0), 24, shades=shades),
            ("  earlier phases, this one, its rest, what comes", "muted"),
        ),
        (
            (" A PHASE'S STRIP  ", "label"),
            ("━━━━", "past"),
            ("│", "muted"),
            (" the upright mark is what it usually takes", "muted"),
        ),
    ]
    lines = [
        (*pad_line(left[at], _KEY_WIDTH - 1), (" ", ""), *(right[at] if at < len(right) else ()))
        for at in range(len(left))
    ]
    return [pad_line(line, max(_WIDTH, width_of(line))) for line in (*lines, (), *bars)]
