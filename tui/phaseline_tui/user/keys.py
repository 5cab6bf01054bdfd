"""Every key of the program: what it does, where, and under which name it can be given to another key."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from textual.binding import Binding

__all__ = ["ACTIONS", "Action", "Place", "bindings", "help_of"]

Place = Literal["jobs", "list", "detail", "job", "everywhere"]
"""Where a key means something: in the view of all jobs, in its list, in a job's details, in the view of one job."""


class Action(NamedTuple):
    """What a key does."""

    name: str
    """Under which the configuration knows it."""
    keys: str
    """By default, with commas between them, as Textual calls them."""
    call: str
    """What Textual runs."""
    words: str
    """For the help; empty if another line tells it."""
    place: Place
    shown: str = ""
    """The keys as the help writes them."""
    at_once: bool = False
    """Whether it acts before the keys behind it, which came in the same packet over a slow line, find their place."""


ACTIONS: Final = (
    Action("up", "up,k", "move(-1)", "one up, down", "list", "↑ ↓  j k", at_once=True),
    Action("down", "down,j", "move(1)", "", "list", at_once=True),
    Action("first", "g,home", "first", "first, last", "list", "g  G", at_once=True),
    Action("last", "G,shift+g,end", "last", "", "list", at_once=True),
    Action("page-up", "pageup,ctrl+b", "page(-1.0)", "a page up, down", "list", "PgUp PgDn", at_once=True),
    Action("page-down", "pagedown,ctrl+f", "page(1.0)", "", "list", at_once=True),
    Action("half-up", "ctrl+u", "page(-0.5)", "", "list", at_once=True),
    Action("half-down", "ctrl+d", "page(0.5)", "", "list", at_once=True),
    Action("open", "enter", "screen.detail", "details of the job", "list", "Enter", at_once=True),
    Action("mark", "space", "mark", "mark, for y and the palette", "list", "Space", at_once=True),
    Action("follow", "f", "follow", "follow whichever began last", "list", "f", at_once=True),
    Action("sort", "s", "screen.sort", "sort by the next one, reverse", "list", "s  S", at_once=True),
    Action("reverse", "S,shift+s", "screen.reverse", "", "list", at_once=True),
    Action("filter", "slash", "filter", "filter; again: change it", "jobs", "/", at_once=True),
    Action("next-error", "e", "next_error", "next failed or stalled job", "jobs", "e"),
    Action("line-up", "up,k", "move(-1)", "one up, down", "detail", "↑ ↓  j k"),
    Action("line-down", "down,j", "move(1)", "", "detail"),
    Action("top", "g,home", "top", "top, bottom", "detail", "g  G"),
    Action("bottom", "G,shift+g,end", "bottom", "", "detail"),
    Action("fold", "enter,space", "fold", "fold, unfold", "detail", "Enter"),
    Action("fold-all", "z", "fold_all", "fold all, unfold all", "detail", "z"),
    Action("search", "slash", "search", "search", "detail", "/", at_once=True),
    Action("next-found", "n", "found(1)", "next, previous found", "detail", "n  N"),
    Action("previous-found", "N,shift+n", "found(-1)", "", "detail"),
    Action("raw", "v", "raw", "as raw JSON, and back", "detail", "v"),
    Action("next-job", "right_square_bracket,right", "neighbour(1)", "the next job, the one before", "job", "← →"),
    Action("previous-job", "left_square_bracket,left", "neighbour(-1)", "", "job"),
    Action("pause", "p", "pause", "hold the screen still", "everywhere", "p"),
    Action("copy", "y", "copy", "copy the id, or what is shown", "everywhere", "y"),
    Action("picture", "i", "picture", "the job's picture", "everywhere", "i"),
    Action("cancel", "ctrl+x", "cancel", "cancel or remove, after asking", "everywhere", "Ctrl+X"),
    Action("retry", "r", "retry", "connect again now", "everywhere", "r"),
    Action("theme", "t", "toggle_theme", "dark or light", "everywhere", "t"),
    Action("help", "question_mark", "help", "this help", "everywhere", "?"),
    Action("quit", "q", "quit", "quit", "everywhere", "q"),
)
_BY_NAME: Final = {action.name: action for action in ACTIONS}


def help_of(places: tuple[Place, ...], remapped: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the keys of `places` and what they do, for the help.

    Args:
        places: where.
        remapped: other keys that the user has given to actions.
    """
    return [
        (remapped.get(action.name, action.shown).replace(",", " "), action.words)
        for place in places
        for action in ACTIONS
        if action.place == place and action.words
    ]


def bindings(*names: str) -> list[Binding]:
    """Return Textual's bindings for actions, which the configuration can give other keys.

    Raises:
        KeyError: no action is called so.
    """
    return [
        Binding(action.keys, action.call, action.words, show=False, priority=action.at_once, id=action.name)
        for action in map(_BY_NAME.__getitem__, names)
    ]
