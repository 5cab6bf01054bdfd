"""Setting words in type on a band: what the font can print, how large, in which lines, with which margins."""

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate, islice, pairwise
from typing import Final, cast

import msgspec
from PIL import ImageFont

from phaseline.text import clean

__all__ = ["Block", "font_of", "printable", "typeset"]

# In shares of the reference length, which is the side of a square as large as the picture.
_LARGEST: Final = 1 / 30
_SMALLEST: Final = 1 / 46
_SIZES: Final = 8  # steps from the one to the other
_SMALLEST_PIXELS: Final = 8.0
_WIDEST: Final = 1.6  # the reference length of a strip, in its short sides
# In shares of the picture's width.
_COLUMN: Final = 0.86
# In shares of the type's size.
_CAPITAL: Final = 0.70
_LEADING: Final = 1.45
_PADDING: Final = 1.30

_LINES: Final = 2  # larger type than the smallest is worth no third line
_MOST_LINES: Final = 4
_MOST_CHARACTERS: Final = 1_000  # more than four lines hold, but on the longest strips
_MEASURE: Final = 100  # the size, in pixels, that widths are measured at

# Where lines end well; costs are in squared shares of the column.
_PAUSES: Final = ",;:.!?"
_TORN: Final = 0.15
_LEFT_HANGING: Final = 0.2
_PARTICLE: Final = 3  # characters of the longest: the
_FULL: Final = 1.005  # a line's widest share, as widths added up word by word leave out what may be kerned at spaces

# Letters that no decomposition brings to the typeface's alphabet, and marks that it has only in another form.
_SPELLINGS: Final = str.maketrans(
    {"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "ß": "ss", "ẞ": "SS", "Ł": "L", "ł": "l"}
    | {"Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
    | {"\N{MULTIPLICATION SIGN}": "x", "\N{BULLET}": "·", "\N{SOFT HYPHEN}": ""}
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")  # hyphens, dashes and minus
)
_OPENING: Final = "\N{LEFT SINGLE QUOTATION MARK}"
_CLOSING: Final = "\N{RIGHT SINGLE QUOTATION MARK}"
_APOSTROPHE: Final = re.compile(r"(?<=\w)'|'(?=\d\ds)")  # don't, foxes', the '20s
_MISSING: Final = "·"


class Block(msgspec.Struct, frozen=True):
    """Lines of type on a band as wide as the picture; lengths in pixels.

    Attributes:
        lines: The texts, top to bottom, each to be centred.
        size: The type's size.
        baselines: How far below the band's upper edge each line stands.
        height: The band's.
    """

    lines: tuple[str, ...]
    size: float
    baselines: tuple[float, ...]
    height: int


def font_of(size: float) -> ImageFont.FreeTypeFont:
    """Return the typeface at `size` pixels: Aileron, which Pillow ships and lays out alike on every machine."""
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))  # never the bitmap one when given a size


def printable(text: str) -> str:
    """Return one line of what the typeface can print of `text`: empty if nothing is left.

    Controls are taken out, quotation marks curled, accents and ligatures resolved (`é` to `e`); a character that is
    still not in the typeface becomes a middle dot, so that its place is seen.
    """
    line = " ".join(clean(text[: 4 * _MOST_CHARACTERS]).split())
    plain = unicodedata.normalize("NFKD", line)
    kept = "".join(c for c in plain.translate(_SPELLINGS) if unicodedata.category(c) not in {"Mn", "Me", "Cf"})
    has = _alphabet()
    return _curled("".join(c if c in has else _MISSING for c in " ".join(kept.split())))


@cache
def _alphabet() -> frozenset[str]:
    """Return the characters that the typeface has: those not drawn as the box that stands for a missing one."""
    font = font_of(_MEASURE)
    box = bytes(font.getmask("\U0010ffff"))
    candidates = map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x100), *range(0x2010, 0x2123)))
    return frozenset(c for c in candidates if bytes(font.getmask(c)) != box)


def _curled(text: str) -> str:
    """Return `text` with typewriter quotation marks curled the way they open and close."""
    text = _APOSTROPHE.sub(_CLOSING, text)
    text = re.sub(r'(^|(?<=[\s(\[]))"', "“", text).replace('"', "”")
    return re.sub(r"(^|(?<=[\s(\[“]))'", _OPENING, text).replace("'", _CLOSING)


def typeset(text: str, width: int, height: int) -> Block | None:
    """Return `text` set for a band below a picture of `width` x `height` pixels; None for an empty text.

    The largest size at which it takes two lines is taken, else the smallest, at which it may take four; what is
    longer ends in "…". Lines are about equally long and rather end after a comma than amid a phrase.
    """
    if not text:
        return None
    lines, size = _fitted(text, width, min(math.sqrt(width * height), _WIDEST * min(width, height)))
    first = size * (_PADDING + _CAPITAL)
    baselines = tuple(first + size * _LEADING * number for number in range(len(lines)))
    return Block(tuple(lines), size, baselines, math.ceil(baselines[-1] + size * _PADDING))


Measure = Callable[[str], float]


def _fitted(text: str, width: int, reference: float) -> tuple[list[str], float]:
    """Return the lines of `text` and the size at which they fit a picture `width` pixels wide."""
    largest, smallest = (max(_SMALLEST_PIXELS, reference * share) for share in (_LARGEST, _SMALLEST))
    measure = font_of(_MEASURE).getlength
    words = text[:_MOST_CHARACTERS].split()
    step = 0
    while True:
        size = largest + (smallest - largest) * step / _SIZES
        column = _COLUMN * width / size * _MEASURE
        pieces = _broken(words, column, measure)
        lines = _wrapped(pieces, column, measure)
        if step == _SIZES or (len(lines) <= _LINES and len(pieces) == len(words)):
            break
        step += 1
    if len(lines) > _MOST_LINES or len(text) > _MOST_CHARACTERS:
        return _shortened(lines[:_MOST_LINES], column, measure), size
    return _balanced(pieces, len(lines), column, measure), size


def _broken(words: list[str], column: float, measure: Measure) -> list[str]:
    """Return `words` with those that are wider than a line cut into pieces that aren't.

    Of an endless word come no more pieces than are too many already: each but the last fills a line.
    """
    return [piece for word in words for piece in islice(_pieces(word, column, measure), _MOST_LINES + 1)]


def _pieces(word: str, column: float, measure: Measure) -> Iterator[str]:
    while len(word) > 1 and measure(word) > column:
        length = _fitting(word, column, measure)
        yield word[:length]
        word = word[length:]
    yield word


def _fitting(word: str, column: float, measure: Measure) -> int:
    """Return how many of the word's first characters fit, at least one."""
    return max(1, bisect_right(range(1, len(word)), column, key=lambda length: measure(word[:length])))


def _wrapped(words: list[str], column: float, measure: Measure) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if measure(longer) <= column:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _balanced(words: list[str], count: int, column: float, measure: Measure) -> list[str]:
    """Return `words` in `count` lines that are about equally long and end, where that costs little, in a pause.

    A line costs the square of its share of the column, the sum of which is least for equal ones, and what its last
    word costs at a line's end; the cheapest way to a number of words is found line by line (dynamic programming).
    """
    space = measure(" ")
    ends = tuple(accumulate((measure(word) + space for word in words), initial=0.0))
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, (0,))}  # words set: the cost, where lines begin or end
    for _ in range(count):
        longer: dict[int, tuple[float, tuple[int, ...]]] = {}
        for begin, (cost, breaks) in best.items():
            for end in range(begin + 1, len(words) + 1):
                share = (ends[end] - ends[begin] - space) / column
                if share > _FULL and end > begin + 1:
                    break
                total = cost + share**2 + _ending(words[end - 1])
                if end not in longer or total < longer[end][0]:
                    longer[end] = (total, (*breaks, end))
        best = longer
    return [" ".join(words[begin:end]) for begin, end in pairwise(best[len(words)][1])]


def _ending(word: str) -> float:
    """Return what it costs that a line ends in `word`: nothing in a pause, most in a word as short as an article."""
    if word[-1] in _PAUSES:
        return 0.0
    return _TORN if len(word) > _PARTICLE else _LEFT_HANGING


def _shortened(lines: list[str], column: float, measure: Measure) -> list[str]:
    """Return `lines` with an ellipsis behind the last word that leaves room for one."""
    last = lines[-1]
    while last and measure(f"{last}…") > column:
        last = last[:-1]
    whole = last if last == lines[-1] else last.rpartition(" ")[0] or last
    return [*lines[:-1], f"{whole.rstrip(' ,;:.-·')}…"]
