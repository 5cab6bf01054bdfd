"""All keys of the program: each action's name in the settings, its default keys and its help text."""

import contextlib
import unicodedata
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

__all__ = ["ACTIONS", "Action", "Place", "bindings", "help_of", "is_key"]

Place = Literal["jobs", "list", "detail", "job", "history", "everywhere"]
"""Where an action applies: the jobs view, its list, a job's details, the view of one job, past jobs, or all views."""


class Action(NamedTuple):
    """An action that keys are bound to."""

    name: str
    """Name in the settings (`[keys]`)."""
    keys: str
    """Default keys by Textual's names, separated by commas."""
    call: str
    """Textual action to run."""
    words: str
    """Description in the help; empty if another action's line covers it."""
    place: Place
    shown: str = ""
    """The keys as the help shows them."""
    at_once: bool = False
    """Whether the action runs before Textual dispatches later keys of the same packet, as sent on a slow line."""


ACTIONS: Final = (
    Action("up", "up,k", "move(-1)", "up, down", "list", "↑ ↓  j k", at_once=True),
    Action("down", "down,j", "move(1)", "", "list", at_once=True),
    Action("first", "g,home", "first", "first, last", "list", "g  G", at_once=True),
    Action("last", "G,shift+g,end", "last", "", "list", at_once=True),
    Action("page-up", "pageup,ctrl+b", "page(-1.0)", "a page up, down", "list", "PgUp PgDn", at_once=True),
    Action("page-down", "pagedown,ctrl+f", "page(1.0)", "", "list", at_once=True),
    Action("half-up", "ctrl+u", "page(-0.5)", "", "list", at_once=True),
    Action("half-down", "ctrl+d", "page(0.5)", "", "list", at_once=True),
    Action("open", "enter", "screen.detail", "details of the job", "list", "Enter", at_once=True),
    Action("mark", "space", "mark", "mark for y and the palette", "list", "Space", at_once=True),
    Action("follow", "f", "follow", "follow the newest job", "list", "f", at_once=True),
    Action("sort", "s", "screen.sort", "sort by next column, reverse", "list", "s  S", at_once=True),
    Action("reverse", "S,shift+s", "screen.reverse", "", "list", at_once=True),
    Action("filter", "slash", "filter", "filter, or edit the filter", "jobs", "/", at_once=True),
    Action("next-error", "e", "next_error", "next failed or stalled job", "jobs", "e"),
    Action("dismiss-all", "X,shift+x", "dismiss_bad", "dismiss all that failed", "jobs", "X"),
    Action("line-up", "up,k", "move(-1)", "up, down", "detail", "↑ ↓  j k"),
    Action("line-down", "down,j", "move(1)", "", "detail"),
    Action("top", "g,home", "top", "top, bottom", "detail", "g  G"),
    Action("bottom", "G,shift+g,end", "bottom", "", "detail"),
    Action("fold", "enter,space", "fold", "fold, unfold", "detail", "Enter"),
    Action("fold-all", "z", "fold_all", "fold all, unfold all", "detail", "z"),
    Action("search", "slash", "search", "search", "detail", "/", at_once=True),
    Action("next-found", "n", "match(1)", "next, previous match", "detail", "n  N"),
    Action("previous-found", "N,shift+n", "match(-1)", "", "detail"),
    Action("raw", "v", "raw", "show or hide raw JSON", "detail", "v"),
    Action("next-job", "right_square_bracket,right", "neighbor(1)", "previous, next job", "job", "← →"),
    Action("previous-job", "left_square_bracket,left", "neighbor(-1)", "", "job"),
    Action("past-job", "enter", "open", "all details of the job", "history", "Enter"),
    Action("range", "d", "range", "next range of time", "history", "d"),
    Action("refresh", "r", "refresh", "reload, and reconnect", "history", "r"),
    Action("pause", "p", "pause", "pause the screen", "everywhere", "p"),
    Action("copy", "y", "copy", "copy the id or selected row", "everywhere", "y"),
    Action("picture", "i", "picture", "the job's picture", "everywhere", "i"),
    Action("output", "l", "screen.output", "the job's output", "everywhere", "l"),
    Action("dismiss", "x", "screen.dismiss_jobs", "dismiss the job; asks first", "everywhere", "x"),
    Action("cancel", "ctrl+x", "cancel", "cancel or remove; asks first", "everywhere", "Ctrl+X"),
    Action("pause-job", "P,shift+p", "pause_job", "pause or resume the job", "everywhere", "P"),
    Action("retry", "r", "retry", "reconnect now", "everywhere", "r"),
    Action("theme", "t", "toggle_theme", "dark or light", "everywhere", "t"),
    Action("help", "question_mark", "help", "this help", "everywhere", "?"),
    Action("quit", "q", "quit", "quit, suspend", "everywhere", "q  Ctrl+Z"),
    Action("suspend", "ctrl+z", "suspend_process", "", "everywhere"),
)
_BY_NAME: Final = {action.name: action for action in ACTIONS}


def help_of(places: tuple[Place, ...], remapped: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the keys that apply in `places`, each with its description, for the help.

    Args:
        places: Places to include, in this order.
        remapped: The user's keys by action name.
    """
    return [
        (remapped.get(action.name, action.shown).replace(",", " "), action.words)
        for place in places
        for action in ACTIONS
        if action.place == place and action.words
    ]


def bindings(*names: str) -> list[Binding]:
    """Return Textual bindings for the named actions. The settings can assign other keys to them.

    Raises:
        KeyError: An action does not exist.
    """
    return [
        Binding(action.keys, action.call, action.words, show=False, priority=action.at_once, id=action.name)
        for action in map(_BY_NAME.__getitem__, names)
    ]


_MODIFIERS: Final = frozenset({"ctrl", "shift", "alt", "super", "hyper", "meta"})
_NAMED: Final = frozenset({key.value for key in Keys} | set(KEY_NAME_REPLACEMENTS.values()))


def is_key(name: str) -> bool:
    """Return whether Textual knows a key by this name, such as `f3`, `ctrl+n`, `?` or `question_mark`."""
    *modifiers, key = name.strip().split("+")
    if not _MODIFIERS.issuperset(modifiers):
        return False
    if len(key) == 1 or key in _NAMED:
        return True
    with contextlib.suppress(KeyError):
        return bool(unicodedata.lookup(key.replace("_", " ")))
    return False
