"""Drawing of a job's details."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from phaseline.model.workflows import picture_of
from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, Span, fit, join, middle, pad_line, width_of, width_of_text, wrap
from phaseline_tui.drawing.columns import BETWEEN
from phaseline_tui.drawing.gantt import is_slow, strips
from phaseline_tui.drawing.job_names import source_of
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tree import FOLDED, UNFOLDED, Folds, Path, Row, facts
from phaseline_tui.model.amounts import count_words, rate_words
from phaseline_tui.model.jobs import WORKER_GONE, ErrorView, JobView, PhaseState, PhaseView, State
from phaseline_tui.model.shown import percent_shown, percent_words, shares_shown
from phaseline_tui.model.words import (
    UNKNOWN,
    band,
    clock_time,
    count_of,
    duration,
    fine_duration,
    remaining,
)

__all__ = ["detail"]

_PHASE_MARKS: Final = {
    PhaseState.PENDING: ("·", "faint"),
    PhaseState.CURRENT: ("►", "now"),
    PhaseState.DONE: ("✓", "good"),
    PhaseState.SKIPPED: ("↷", "muted"),
    PhaseState.FAILED: ("✗", "bad"),
}
_TIMES: Final = 7
_BESIDE: Final = 2 + 1 + _TIMES + 1 + _TIMES + 2
"""Width of a phase's line without its name and strip."""
_MIN_STRIP: Final = 12
_MAX_NAME: Final = 24
_MAX_ROWS: Final = 2000
_TOP: Final = ("",)
"""Path of the lines above the first section."""


def detail(job: JobView, width: int, scene: Scene, folds: Folds | None = None) -> list[Row]:
    """Return all details of `job` in rows of `width` cells; `folds` is the folding state."""
    folds = folds or Folds()
    rows = [Row(line, _TOP) for line in _head(job, width, scene)]
    for section in _sections(job, width, scene, folds):
        path = (section.key,)
        folded = folds.folded(path, default=False)
        mark = FOLDED if folded else UNFOLDED
        rows += [Row(()), Row((mark, *_title(section.title, width - 2)), path, section.value, folded)]
        if not folded:
            rows += section.rows
    return [row._replace(line=pad_line(row.line, width)) for row in rows[:_MAX_ROWS]]


class _Section(NamedTuple):
    key: str
    """First part of the paths of its rows."""
    title: str
    rows: Iterable[Row]
    value: object = None
    """Value to copy for the whole section; None for its title."""


def _sections(job: JobView, width: int, scene: Scene, folds: Folds) -> Iterator[_Section]:
    """Yield the sections below the head."""
    if job.phases:
        yield _Section("phases", _phase_titles(job, width), _phases(job, width, scene))
    if job.reasons and not job.over:
        texts = [row for reason in reversed(job.reasons) for row in _wrapped(reason, width, "text", "why")]
        yield _Section("why", "WHY THE ESTIMATE CHANGED", texts, "\n".join(reversed(job.reasons)))
    if job.state.bad and job.failure not in [error.message for error in job.errors]:
        reason = job.failure or "no reason given"
        yield _Section("error", "ERROR", _wrapped(reason, width, "bad-strong", "error"), reason)
    if job.errors:
        title = "ERROR" if len(job.errors) == 1 else f"{len(job.errors)} ERRORS"
        yield _Section("errors", title, _errors(job, width, scene, folds), msgspec.to_builtins(job.errors))
    results = {phase.name: phase.result for phase in job.phases if phase.result}
    for key, title, value in (
        ("result", "RESULT", _result_without_error(job)),
        ("details", "DETAILS", job.details),
        ("about", "PHOTO" if job.workflow == "photo" else "ABOUT", job.photo_info),
        ("results", "PHASE RESULTS", results),
        ("worker", "WORKER", job.worker),
    ):
        if value:
            yield _Section(key, title, facts(value, width, (key,), folds), value)
    if len(job.messages) > 1:
        yield _Section("messages", "MESSAGES", _messages(job), "\n".join(words for _, words in reversed(job.messages)))


def _messages(job: JobView) -> Iterator[Row]:
    for number, (at, words) in enumerate(reversed(job.messages), 1):
        line: Line = ((f"  {fit(duration(at), _TIMES, 'right')}", "muted"), (f"  {words}", "text"))
        yield Row(line, ("messages", f"{number}"), words)


def _result_without_error(job: JobView) -> object:
    """Return the result without its error, which has its own section."""
    if isinstance(job.result, dict) and job.over and job.state is not State.COMPLETED:
        return {key: value for key, value in job.result.items() if key != "error"}
    return job.result


def _title(text: str, width: int) -> Line:
    return ((f"{text} ", "label"), ("─" * max(0, width - width_of_text(text) - 1), "rule"))


def _head(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    style = job.state.tone
    word = "paused" if job.paused else job.state.word
    state: Line = ((job.state.sign, style), (f" {word}", style))
    room = max(8, width - width_of(state) - 2)
    picture = picture_of(job.job_id)
    full = job.name if picture is None else str(picture)
    yield join(((middle(full, room), "strong"),), state, width)
    facts = [source_of(job)]
    facts += [f"id {job.job_id}"] if picture is None and full != job.job_id else []
    facts += [f"photo {job.photo_id}"] if job.photo_id and job.photo_id not in job.job_id else []
    facts += [f"on {job.host}"] if job.host else []
    facts += ["picture was cached"] if job.cache_hit else []
    yield ((fit("  ".join(fact for fact in facts if fact), width).rstrip(), "muted"),)
    yield ()
    yield from _progress(job, width, scene)
    yield from _times(job, width, scene)
    if job.message and job.message != job.failure:
        yield ()
        yield from (((line, "text"),) for line in wrap(job.message, width))


def _progress(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    percent = f" {percent_words(job, scene.now)}"
    length = max(4, width - len(percent))
    if job.state is State.COMPLETED:
        yield (("━" * length, "past"), (percent, "muted"))
    else:
        yield (*bar(shares_shown(job, scene.now), length, shades=scene.shades), (percent, "strong"))
    count, rate = count_words(job), rate_words(job)
    if count:
        yield pad_line(((count, "text"), (f"{BETWEEN}{rate}" if rate else "", "muted")), width)


def _times(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    started = clock_time(job.started_at, scene.local, scene.wall, seconds=True)
    begun = "" if started == UNKNOWN else f"started {started}"
    ran = duration(job.elapsed_at(scene.now))
    if job.over:
        ended = clock_time(job.completed_at, scene.local, scene.wall, seconds=True)
        words = [begun, "" if ended == UNKNOWN else f"ended {ended}", f"took {ran}"]
        yield ((fit("  ".join(word for word in words if word), width), "muted"),)
        return
    left = job.remaining_at(scene.now)
    spans: list[Span] = []
    silence = job.silence_at(scene.now)
    if silence is not None:
        why = f"{job.stall_reason}, " if job.stall_reason == WORKER_GONE else ""
        spans.append((f"{why}no reports for {duration(silence)}", "warn"))
        spans.append((f" · was at {int(job.percent)}%", "text"))
    elif left is None:
        spans.append(("time left unknown", "muted"))
    elif left.likely <= -1.0:
        spans.append((f"{remaining(left)} past the estimate", "warn"))
    else:
        spans.append((f"{remaining(left)} left", "strong"))
        spans.append((f" · {clock_time(scene.wall + left.likely, scene.local, scene.wall)}", "text"))
        if left.low is not None and left.high is not None:
            spans.append((f"  ({band(left.low, left.high)})", "muted"))
        spans.append((f"  {_basis(job)}", "muted"))
        if percent_shown(job, scene.now)[1]:
            spans.append((f"  the server reports {int(job.percent)}%", "muted"))
    yield pad_line(tuple(spans), width)
    yield ((fit("  ".join(word for word in (f"running {ran}", begun) if word), width), "muted"),)


def _basis(job: JobView) -> str:
    """Return the basis of the estimate as text."""
    runs = count_of(job.runs, "run")
    words = {
        "history": f"from {runs}",
        "similar": f"from {runs} of other series",
        "progress": "from its progress so far",
        "none": "",
    }
    return words[job.basis]


def _phases(job: JobView, width: int, scene: Scene) -> Iterator[Row]:
    name_width, strip_width = _widths(job, width)
    found, total = strips(job, scene.now)
    for phase, strip in zip(job.phases, found, strict=True):
        line = (
            *_phase_words(job, phase, name_width, scene),
            *(strip.draw(strip_width, total, shades=scene.shades) if strip is not None and strip_width else ()),
        )
        path = ("phases", phase.name)
        yield Row(line, path)
        if phase.error and phase.state is not PhaseState.FAILED:
            yield Row((("  ", ""), (fit(f"✗ {phase.error}", width - 2), "bad")), path, phase.error)


def _phase_titles(job: JobView, width: int) -> str:
    name_width, _ = _widths(job, width)
    return f"{fit('PHASES', name_width)} {fit('TOOK', _TIMES, 'right')} {fit('USUALLY', _TIMES, 'right')} "


def _widths(job: JobView, width: int) -> tuple[int, int]:
    """Return the widths of the phase names and of the strips."""
    name_width = min(_MAX_NAME, max(len("PHASES"), *(width_of_text(phase.name) for phase in job.phases)))
    strip_width = width - name_width - _BESIDE
    if strip_width < _MIN_STRIP:
        name_width = max(8, name_width - (_MIN_STRIP - strip_width))
        strip_width = max(0, width - name_width - _BESIDE)
    return name_width, strip_width


def _phase_words(job: JobView, phase: PhaseView, name_width: int, scene: Scene) -> Line:
    glyph, style = _PHASE_MARKS[phase.state]
    text = {PhaseState.CURRENT: "strong", PhaseState.FAILED: "bad-strong", PhaseState.DONE: "text"}
    spent = job.phase_elapsed_at(phase, scene.now)
    slow = is_slow(spent, phase.average)
    if phase.state is PhaseState.SKIPPED:
        took = "skipped"
    elif phase.state is PhaseState.PENDING or spent is None:
        took = ""
    else:
        # Tenths of a running phase would change ten times a second without informing anyone.
        took = duration(spent) if phase.state is PhaseState.CURRENT else fine_duration(spent)
    usual = fine_duration(phase.average) if phase.average is not None else UNKNOWN
    return (
        (f"{glyph} ", style),
        (fit(phase.name, name_width), text.get(phase.state, "muted")),
        (" ", ""),
        (fit(took, _TIMES, "right"), "warn" if slow else "text" if took != "skipped" else "muted"),
        (f" {fit(usual, _TIMES, 'right')}  ", "muted"),
    )


def _errors(job: JobView, width: int, scene: Scene, folds: Folds) -> Iterator[Row]:
    for number, error in zip(range(len(job.errors), 0, -1), reversed(job.errors), strict=True):
        yield from _error(error, ("errors", f"{number}"), width, scene, folds)


def _error(error: ErrorView, path: Path, width: int, scene: Scene, folds: Folds) -> Iterator[Row]:
    value = msgspec.to_builtins(error)
    folded = folds.folded(path, default=False) if error.details else None
    fold: Span = ("  ", "") if folded is None else FOLDED if folded else UNFOLDED
    for number, text in enumerate(wrap(error.message or error.kind or "no reason given", width - 4)):
        first = number == 0
        marks: Line = (fold, ("✗ ", "bad")) if first else (("    ", ""),)
        yield Row((*marks, (text, "bad-strong")), path, value, folded if first else None)
    at = clock_time(error.at, scene.local, scene.wall, seconds=True)
    where = f"in {error.phase}" if error.phase else ""
    texts = "  ".join(word for word in (error.kind, where, "" if at == UNKNOWN else f"at {at}") if word)
    yield Row((("    ", ""), (fit(texts, width - 4), "muted")), path, value)
    if error.details and not folded:
        yield from facts(error.details, width, path, folds, depth=1)


def _wrapped(text: str, width: int, style: str, path: str) -> Iterator[Row]:
    yield from (Row((("  ", ""), (line, style)), (path, text), text) for line in wrap(text, width - 2))
