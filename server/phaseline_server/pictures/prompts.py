"""The texts generated from a selection: a table, a title, a caption and the prompt for an image model."""

from typing import Final, NamedTuple

from phaseline_server.pictures.selection import Record, Selection
from phaseline_server.pictures.wording import capital, run_on, set_off, title_case, with_article

__all__ = ["Prompts", "write"]

_WEATHER: Final = {
    "outdoors": "There is",
    "indoors": "Outside there is",
    "underwater": "Far above the surface there is",
}


class Prompts(NamedTuple):
    """The texts of one picture.

    Attributes:
        data: A table of the attributes, with several lines.
        title: A few words, in title case.
        terse: One line, for the band below the picture.
        prompt: The full text for the image model: four paragraphs, each on one line.
    """

    data: str
    title: str
    terse: str
    prompt: str


def write(selection: Selection, series: str, address: str) -> Prompts:
    """Return the texts for the selection of the picture at `address` in `series`."""
    rows = selection.by_name()
    return Prompts(_data(selection, series, address), _title(rows), _terse(rows), _prompt(rows))


def _data(selection: Selection, series: str, address: str) -> str:
    head = ("attribute", "database", "chunk", "factor", "row", "value")
    table = [head] + [
        (a.name, a.database, a.bytes, f"{a.factor:.6f}", f"{a.selector + 1} of {a.count}", _described(record))
        for a, record in zip(selection.attributes, selection.records, strict=True)
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(head) - 1)]
    lines = [f"series   {series}", f"address  {address}", f"seed     {selection.seed}", ""]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        lines.append("  ".join([*cells, line[-1]]))
    return "\n".join(lines)


def _described(record: Record) -> str:
    name, *rest = record.values()
    return f"{name} ({'; '.join(rest)})"


def _title(rows: dict[str, Record]) -> str:
    adjective, noun, place = (rows[key]["name"] for key in ("adjective", "noun", "place"))
    return title_case(f"the {adjective} {noun} of the {place}")


def _terse(rows: dict[str, Record]) -> str:
    adjective, noun, occupation, action, style = (
        rows[key]["name"] for key in ("adjective", "noun", "occupation", "action", "artstyle1")
    )
    who = capital(with_article(f"{adjective} {noun}"))
    return f"{who} as {with_article(occupation)}, {action}, in the style of {style}"


def _prompt(rows: dict[str, Record]) -> str:
    """Return four paragraphs: subject, scene, style and composition."""
    return "\n".join((_who(rows), _where(rows), _manner(rows), _means(rows)))


def _who(rows: dict[str, Record]) -> str:
    adverb, adjective, noun = (rows[key]["name"] for key in ("adverb", "adjective", "noun"))
    occupation, action, prop, emotion, gaze = (rows[key] for key in ("occupation", "action", "prop", "emotion", "gaze"))
    return (
        f"Paint {with_article(f'{adverb} {adjective} {noun}')} as {with_article(occupation['name'])}, "
        f"one who {occupation['description']}. "
        f"It is {run_on(action['name'], action['description'])}; "
        f"close at hand is {with_article(run_on(prop['name'], prop['description']))}. "
        f"Its whole bearing speaks of {emotion['name']}, {emotion['description']}. "
        f"It {set_off(gaze['name'], gaze['description'])}."
    )


def _where(rows: dict[str, Record]) -> str:
    place, light, weather, era = (rows[key] for key in ("place", "light", "weather", "era"))
    return (
        f"The scene is set {place['preposition']} {with_article(place['name'])}, where {place['description']}. "
        f"{_WEATHER[place['setting']]} {weather['name']}, {weather['description']}. "
        f"Everything is lit by {light['name']}, {light['description']}. "
        f"Clothes and tools are those of {era['name']}: {era['description']}."
    )


def _manner(rows: dict[str, Record]) -> str:
    first, second, tale = (rows[key] for key in ("artstyle1", "artstyle2", "litstyle"))
    manner = f"Work in the style of {first['name']}, with {first['description']}"
    if second["name"] != first["name"]:
        manner += f", and add a trace of {second['name']}"
    return f"{manner}. The mood is that of {tale['name']}, where {tale['description']}."


def _means(rows: dict[str, Record]) -> str:
    composition, palette, texture, pattern = (rows[key] for key in ("composition", "palette", "texture", "pattern"))
    accents = " and ".join(dict.fromkeys(rows[key]["name"] for key in ("color1", "color2")))
    return (
        f"The composition is {with_article(composition['name'])}: {composition['description']}. "
        f'The palette is "{palette["name"]}": {palette["description"]}, accented with {accents}. '
        f"Surfaces have the feel of {texture['name']}, {texture['description']}. "
        f"A motif of {pattern['name']} recurs, {pattern['description']}. "
        "Leave out all writing, signatures and frames."
    )
