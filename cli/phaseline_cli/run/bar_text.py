"""The numbers on a line that looks like progress, and the name before them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from phaseline_cli.run.numbers import number, size

__all__ = ["Found", "found_in", "is_named_progress", "looks_like_bar"]

_PERCENT: Final = re.compile(r"(?<![\d.,])(\d{1,3}(?:[.,]\d+)?) ?(?:%|percent\b)(?!\w)")
# Output is arbitrary, so all patterns must run in linear time: numbers have at most 31 characters, and a look-behind
# prevents matches that begin inside another candidate.
_COUNT: Final = re.compile(r"(?<![\w./:-])(?<!\d,)(\d[\d,]{0,30}) ?(?:/| of ) ?(\d[\d,]{0,30})(?![\w/-]|:\S|\.\d)")
_SIZES: Final = re.compile(
    r"(?<![\w.])(?<!\d,)(\d[\d.,]{0,30}) ?([kKMGT]i?B?|[bB]|bytes)? ?(?:/| of ) ?"
    r"(\d[\d.,]{0,30}) ?([kKMGT]i?B?|[bB]|bytes)\b"
)
_MOST: Final = 8
"""Numbers of a line that are looked at."""
_SCALE: Final = re.compile(r"(?:^|[\s:])0(?:\.{2,4}\d{1,3})+(\.{0,4})(?: - done\.?)?$")
"""The scale of GDAL, `0...10...20.`, which grows."""
_SCALE_STEP: Final = 10
_DRAWN: Final = r"#=\-.>*_\u2500-\u25ff\u2800-\u28ff|:\[\]()<o "
_BAR: Final = re.compile(rf"(?<![{_DRAWN}])[{_DRAWN}]*[#=>*.\-\u2500-\u25ff\u2800-\u28ff]{{3,}}")
_TQDM: Final = re.compile(r"(?>.*?\d%\|).*\| \d+/\d+ \[")
_SAME: Final = 0.03
"""How far a count and a percent of one line may differ and still say the same."""
_TEXT: Final = 4
"""A line is binary data if more than one in this many characters could not be decoded."""
_SHORTEST: Final = 8
"""Characters that a row of bar characters must have at least."""
_SPINNER: Final = re.compile(r"[|/\\\u2800-\u28ff-]")
_NUMBERS: Final = re.compile(r"\b(?=[a-f]{0,9}\d)[0-9a-f]{10,64}\b|\d[\d.,:]*")
"""Numbers, and the hash of a file or a layer."""
_OF_ALL: Final = re.compile(r"(?i)\b(?:total|overall)\W{0,3}$")
"""Words before the overall percent, on a line with another percent."""
_MEASURE: Final = re.compile(
    r"(?i)\b(?:acc(?:uracy)?|precision|recall|auc|iou|dice|f1|[cg]pu|mem(?:ory)?|v?ram|usage|util(?:i[sz]ation)?|used"
    r"|free|ratio|quality|coverage|(?:hit|error|success)[ -]rate|battery|humidity|confidence|sparsity|identity|loss"
    r"|idle|busy)\W{0,3}$"
)
"""Words before a percent that is not progress, even if it rises for a while."""
_MEASURED: Final = re.compile(
    r"(?i)[ (]{0,2}(?:of )?(?:[cg]pu|mem(?:ory)?|v?ram|idle|busy|used|free|acc(?:uracy)?|coverage|identity|faster"
    r"|slower|smaller|larger|loss|battery)\b"
)
"""Words after such a percent."""
_ROUND: Final = re.compile(r"(?i)\b(epoch|pass|fold|round|trial)\b\W{0,3}0*(\d{1,6})\b")
_NAME: Final = re.compile(r"[^\W\d_]{3}")
_LEVELS: Final = ("INFO", "DEBUG", "NOTICE")
_LEVEL: Final = re.compile(rf"\[?\b(?:{'|'.join(_LEVELS)})\b\]?:?")
_SURE: Final = re.compile(
    r"(?i)\bET[AC]\b|\d *(?:%|percent) (?:done|completed?|finished)\b|\b(?:progress|completed): *\d"
    r"|(?<!%)(?<!% )\b(?:remaining|time left)\b"
)
_NO_NAMES: Final = frozenset({"progress", "complete", "completed", "done", "percent", "total", "overall", "status"})


@dataclass(frozen=True, slots=True)
class Found:
    """The numbers on a line that looks like progress."""

    head: str
    """The words before the numbers: the bar's name."""
    fraction: float
    done: float | None = None
    total: float | None = None
    unit: str = ""
    of_part: bool = False
    """Whether the line shows that this is one of several parts of the run: `epoch 3:  40%`."""
    from_zero: bool = False
    """Whether the line shows that it began at zero."""


def found_in(text: str) -> Found | None:
    """Return the numbers of a line; None if it has no such numbers, or several that contradict each other."""
    if not any(sign in text for sign in ("%", "/", " of ", " percent", "0..")):
        return None
    if text.count("\N{REPLACEMENT CHARACTER}") * _TEXT > len(text):
        return None
    scale = _scale(text)
    if scale is not None:
        return Found(_head(text[: scale[0]]), scale[1], from_zero=True)
    percent, place = _percent(text)
    counts = [*islice(_counts(text), _MOST)]
    found = None
    if percent is None:
        found = counts[0][1] if counts else None
    else:
        alike = (count for _, count in counts if abs(count.fraction - percent) < _SAME)
        of_part = any(at < place for at, count in counts if abs(count.fraction - percent) >= _SAME)
        found = next(alike, Found("", percent))
        if of_part:
            found = replace(found, of_part=True)
    return None if found is None else _named(text, found)


def is_named_progress(text: str) -> bool:
    """Return whether a line says in words that its percent is progress: `45% done`, `ETA 0:12`."""
    return _percent(text)[0] is not None and _SURE.search(text) is not None


def looks_like_bar(text: str) -> bool:
    """Return whether a line has a row of bar characters."""
    match = _BAR.search(text)
    return (
        (match is not None and len(match.group()) >= _SHORTEST)
        or _TQDM.match(text) is not None
        or _scale(text) is not None
    )


def _scale(text: str) -> tuple[int, float] | None:
    """Return where a scale of dots and tens begins, and how far it is drawn."""
    match = _SCALE.search(text) if "0.." in text else None
    if match is None:
        return None
    tens = [int(each) for each in re.findall(r"\d+", match.group())]
    if tens != [*range(0, 101, _SCALE_STEP)][: len(tens)]:
        return None
    dots = len(match.group(1)) / 4 * _SCALE_STEP  # a step is three dots and the next number
    return match.start(), min(1.0, (tens[-1] + dots) / 100)


def _percent(text: str) -> tuple[float | None, int]:
    """Return the one percent that counts, as a fraction, and its place."""
    found = [*islice(_PERCENT.finditer(text), _MOST)]
    if len(found) > 1:
        found = [each for each in found if _OF_ALL.search(text[: each.start()])]
    value = number(found[0].group(1)) if len(found) == 1 else None
    if value is None or value > 100 or _measures(text, found[0]):  # noqa: PLR2004
        return None, 0
    return value / 100, found[0].start()


def _measures(text: str, percent: re.Match[str]) -> bool:
    """Return whether the words around a percent show that it is not progress: `CPU 45%`, `45% used`."""
    before = text[max(0, percent.start() - 20) : percent.start()]
    return _MEASURE.search(before) is not None or _MEASURED.match(text, percent.end()) is not None


def _counts(text: str) -> Iterator[tuple[int, Found]]:
    """Yield the counts of a line with their places: first the sizes, then the others."""
    for match in _SIZES.finditer(text):
        done = size(match.group(1) + (match.group(2) or match.group(4)))
        total = size(match.group(3) + match.group(4))
        if done is not None and total and done <= total:
            yield match.start(), Found("", done / total, done, total, "bytes")
    for match in _COUNT.finditer(text):
        done, total = number(match.group(1)), number(match.group(2))
        if done is not None and total and done <= total:
            yield match.start(), Found("", done / total, done, total)


def _named(text: str, found: Found) -> Found:
    end = min((match.start() for p in (_PERCENT, _COUNT, _SIZES, _BAR) if (match := p.search(text))), default=len(text))
    part = _ROUND.search(text, 0, end)
    if part is not None:
        return replace(found, head=f"{part.group(1).lower()} {part.group(2)}", of_part=True)
    return replace(found, head=_head(text[:end]))


def _head(text: str) -> str:
    """Return the words before the first number or bar: a bar's name; "" for none, or those that every bar has."""
    words = _NUMBERS.sub("", _SPINNER.sub(" ", text))
    if any(level in words for level in _LEVELS):
        words = _LEVEL.sub(" ", words)
    head = " ".join(words.replace("[ ]", " ").split()).rstrip(":|[(-= ").strip()[:60]
    return "" if _NAME.search(head) is None or head.lower() in _NO_NAMES else head
