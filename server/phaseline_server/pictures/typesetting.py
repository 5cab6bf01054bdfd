"""Layout of the caption on its band: printable characters, font size, line breaks and margins."""

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

# Relative to the reference length, the side of a square with the picture's area.
_LARGEST: Final = 1 / 30
_SMALLEST: Final = 1 / 46
_SIZES: Final = 8  # steps between them
_SMALLEST_PIXELS: Final = 8.0
_WIDEST: Final = 1.6  # maximum reference length, relative to the shorter side
# Relative to the picture's width.
_COLUMN: Final = 0.86
# Relative to the font size.
_CAPITAL: Final = 0.70
_LEADING: Final = 1.45
_PADDING: Final = 1.30

_LINES: Final = 2  # a third line is only used at the smallest size
_MOST_LINES: Final = 4
_MOST_CHARACTERS: Final = 1_000  # more than fits into four lines, except in very wide pictures
_MEASURE: Final = 100  # font size, in pixels, at which widths are measured

# Costs of line ends, as squared shares of the column width.
_PAUSES: Final = ",;:.!?"
_TORN: Final = 0.15
_LEFT_HANGING: Final = 0.2
_PARTICLE: Final = 3  # maximum length of a particle, such as "the"
_FULL: Final = 1.005  # maximum share of a line; the sum of the words' widths ignores kerning at spaces

# Letters that no Unicode decomposition maps to the font's characters, and marks that the font has in another form.
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
    """Lines of text on a band with the picture's width; lengths in pixels.

    Attributes:
        lines: The lines from top to bottom, to be centered.
        size: The font size.
        baselines: The distance of each line's baseline from the band's upper edge.
        height: The height of the band.
    """

    lines: tuple[str, ...]
    size: float
    baselines: tuple[float, ...]
    height: int


def font_of(size: float) -> ImageFont.FreeTypeFont:
    """Return the font at `size` pixels: Aileron, which Pillow includes and draws the same on every machine."""
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))  # with a size, it is never the bitmap font


def printable(text: str) -> str:
    """Return the printable part of `text` as one line, possibly empty.

    Control characters are removed, quotation marks curled, accents and ligatures resolved (`é` to `e`). A character
    that is still not in the font becomes a middle dot.
    """
    line = " ".join(clean(text[: 4 * _MOST_CHARACTERS]).split())
    plain = unicodedata.normalize("NFKD", line)
    kept = "".join(c for c in plain.translate(_SPELLINGS) if unicodedata.category(c) not in {"Mn", "Me", "Cf"})
    has = _alphabet()
    return _curled("".join(c if c in has else _MISSING for c in " ".join(kept.split())))


@cache
def _alphabet() -> frozenset[str]:
    """Return the characters of the font: those that are not drawn as the box for a missing character."""
    font = font_of(_MEASURE)
    box = bytes(font.getmask("\U0010ffff"))
    candidates = map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x100), *range(0x2010, 0x2123)))
    return frozenset(c for c in candidates if bytes(font.getmask(c)) != box)


def _curled(text: str) -> str:
    """Return `text` with straight quotation marks replaced by opening and closing ones."""
    text = _APOSTROPHE.sub(_CLOSING, text)
    text = re.sub(r'(^|(?<=[\s(\[]))"', "“", text).replace('"', "”")
    return re.sub(r"(^|(?<=[\s(\[“]))'", _OPENING, text).replace("'", _CLOSING)


def typeset(text: str, width: int, height: int) -> Block | None:
    """Return the layout of `text` for a picture of `width` x `height` pixels; None for an empty text.

    The font size is the largest at which the text fits in two lines. Otherwise it is the smallest, with up to four
    lines, and a longer text ends in "…". Lines have similar lengths and preferably end after a comma.
    """
    if not text:
        return None
    lines, size = _fitted(text, width, min(math.sqrt(width * height), _WIDEST * min(width, height)))
    first = size * (_PADDING + _CAPITAL)
    baselines = tuple(first + size * _LEADING * number for number in range(len(lines)))
    return Block(tuple(lines), size, baselines, math.ceil(baselines[-1] + size * _PADDING))


Measure = Callable[[str], float]


def _fitted(text: str, width: int, reference: float) -> tuple[list[str], float]:
    """Return the lines of `text` and the font size at which they fit a picture `width` pixels wide."""
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
    """Return `words`, with words wider than a line divided into pieces that fit.

    A word gives at most one piece more than there are lines, so that an endless word takes limited work.
    """
    return [piece for word in words for piece in islice(_pieces(word, column, measure), _MOST_LINES + 1)]


def _pieces(word: str, column: float, measure: Measure) -> Iterator[str]:
    while len(word) > 1 and measure(word) > column:
        length = _fitting(word, column, measure)
        yield word[:length]
        word = word[length:]
    yield word


def _fitting(word: str, column: float, measure: Measure) -> int:
    """Return the number of the word's first characters that fit, at least one."""
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
    """Return `words` in `count` lines of similar length, which preferably end at punctuation.

    The cost of a line is the square of its share of the column, plus the cost of its last word. The sum of squares is
    minimal for equal lines. Dynamic programming finds the minimum, line by line.
    """
    space = measure(" ")
    ends = tuple(accumulate((measure(word) + space for word in words), initial=0.0))
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, (0,))}  # number of words: (cost, line breaks)
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
    """Return the cost of a line that ends in `word`: zero for punctuation, most for a word as short as an article."""
    if word[-1] in _PAUSES:
        return 0.0
    return _TORN if len(word) > _PARTICLE else _LEFT_HANGING


def _shortened(lines: list[str], column: float, measure: Measure) -> list[str]:
    """Return `lines` with an ellipsis after the last word that leaves space for it."""
    last = lines[-1]
    while last and measure(f"{last}…") > column:
        last = last[:-1]
    whole = last if last == lines[-1] else last.rpartition(" ")[0] or last
    return [*lines[:-1], f"{whole.rstrip(' ,;:.-·')}…"]
