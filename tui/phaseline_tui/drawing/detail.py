"""The detail pane of a job, line by line."""

from collections.abc import Iterator
from typing import Final

from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.cells import Line, Span, fit, join, middle, pad_line, width_of, wrap
from phaseline_tui.drawing.gantt import is_slow, strips
from phaseline_tui.drawing.rows import source_of, state_style
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.words import (
    UNKNOWN,
    band,
    clock_time,
    count_of,
    duration,
    fine_duration,
    remaining,
    state_glyph,
    state_word,
)
from phaseline_tui.jobs import ErrorView, JobView, PhaseState, PhaseView, State

__all__ = ["detail"]

_PHASE_MARKS: Final = {
    PhaseState.PENDING: ("·", "faint"),
    PhaseState.CURRENT: ("►", "now"),
    PhaseState.DONE: ("✓", "good"),
    PhaseState.SKIPPED: ("↷", "muted"),
    PhaseState.FAILED: ("✗", "bad"),
}
_TIMES: Final = 7
_LEAST_STRIP: Final = 12
_MOST_NAME: Final = 24
_MOST_LINES: Final = 400
_MOST_KEY: Final = 22
_MOST_LIST: Final = 72


def detail(job: JobView, width: int, scene: Scene) -> list[Line]:
    """Return everything that is known of `job`, in lines of `width` cells."""
    lines: list[Line] = [*_head(job, width, scene), ()]
    if job.phases:
        lines += [*_phases(job, width, scene), ()]
    if job.reasons and not job.over:
        lines += [_title("WHY THE ESTIMATE MOVED", width)]
        lines += [line for reason in reversed(job.reasons) for line in _wrapped(reason, width, "text")]
        lines += [()]
    if job.state in {State.FAILED, State.LOST} and job.failure not in [error.message for error in job.errors]:
        lines += [_title("ERROR", width), *_wrapped(job.failure or "no reason given", width, "bad-strong"), ()]
    if job.errors:
        lines += [*_errors(job, width, scene), ()]
    for title, value in (
        ("RESULT", _news(job)),
        ("DETAILS", job.details),
        ("PHOTO" if job.workflow == "photo" else "ABOUT", job.photo_info),
    ):
        if value:
            lines += [_title(title, width), *_facts(value, width), ()]
    if len(job.told) > 1:
        lines += [_title("MESSAGES", width)]
        lines += [
            ((fit(duration(at), _TIMES, "right"), "muted"), (f"  {words}", "text")) for at, words in reversed(job.told)
        ]
        lines += [()]
    results = {phase.name: phase.result for phase in job.phases if phase.result}
    if results:
        lines += [_title("PHASE RESULTS", width), *_facts(results, width), ()]
    return [pad_line(line, width) for line in lines[:_MOST_LINES]]


def _news(job: JobView) -> object:
    """Return the result without the error in it, which is told already."""
    if isinstance(job.result, dict) and job.over and job.state is not State.COMPLETED:
        return {key: value for key, value in job.result.items() if key != "error"}
    return job.result


def _title(text: str, width: int) -> Line:
    return ((f"{text} ", "label"), ("─" * max(0, width - len(text) - 1), "rule"))


def _head(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    style = state_style(job.state)
    state: Line = ((state_glyph(job.state), style), (f" {state_word(job.state)}", style))
    room = max(8, width - width_of(state) - 2)
    full = job.job_id if job.name != job.job_id and job.job_id.startswith("dalle:") else job.name
    full = full.removeprefix("dalle:").replace(":", "/") if full.startswith("dalle:") else full
    yield join(((middle(full, room), "strong"),), state, width)
    facts = [source_of(job)]
    facts += [f"id {job.job_id}"] if full != job.job_id and not job.job_id.startswith("dalle:") else []
    facts += [f"photo {job.photo_id}"] if job.photo_id and job.photo_id not in job.job_id else []
    facts += [f"on {job.host}"] if job.host else []
    facts += ["picture existed already"] if job.cache_hit else []
    yield ((fit("  ".join(fact for fact in facts if fact), width).rstrip(), "muted"),)
    yield ()
    yield from _progress(job, width, scene)
    yield from _times(job, width, scene)
    if job.message and job.message != job.failure:
        yield ()
        yield from _wrapped(job.message, width, "text")


def _progress(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    percent = f" {int(job.percent_at(scene.now))}%"
    length = max(4, width - len(percent))
    if job.state is State.COMPLETED:
        yield (("━" * length, "past"), (percent, "muted"))
    else:
        yield (*bar(job.shares_at(scene.now), length, shades=scene.shades), (percent, "strong"))


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
    if left is None:
        spans.append(("time left unknown", "muted"))
    elif left.likely <= -1.0:
        spans.append((f"{remaining(left)} against the estimate", "warn"))
    else:
        spans.append((f"{remaining(left)} left", "strong"))
        spans.append((f" · {clock_time(scene.wall + left.likely, scene.local, scene.wall)}", "text"))
        if left.low is not None and left.high is not None:
            spans.append((f"  ({band(left.low, left.high)})", "muted"))
        spans.append((f"  {_basis(job)}", "muted"))
    yield pad_line(tuple(spans), width)
    yield ((fit("  ".join(word for word in (f"running {ran}", begun) if word), width), "muted"),)


def _basis(job: JobView) -> str:
    """Say on what the estimate stands."""
    runs = count_of(job.runs, "run")
    words = {
        "history": f"from {runs}",
        "similar": f"from {runs} of other series",
        "progress": "from its progress so far",
        "none": "",
    }
    return words[job.basis]


def _phases(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    name_width = min(_MOST_NAME, max(len("PHASES"), *(len(phase.name) for phase in job.phases)))
    fixed = 2 + name_width + 1 + _TIMES + 1 + _TIMES + 2
    strip_width = width - fixed
    if strip_width < _LEAST_STRIP:
        name_width = max(8, name_width - (_LEAST_STRIP - strip_width))
        fixed = 2 + name_width + 1 + _TIMES + 1 + _TIMES + 2
        strip_width = max(0, width - fixed)
    title = fit("PHASES", name_width + 2)
    took, usual = fit("TOOK", _TIMES, "right"), fit("USUALLY", _TIMES, "right")
    yield ((f"{title} {took} {usual}  ", "label"), ("─" * strip_width, "rule"))
    found, total = strips(job, scene.now)
    for phase, strip in zip(job.phases, found, strict=True):
        yield (
            *_phase_words(job, phase, name_width, scene),
            *(strip.draw(strip_width, total, shades=scene.shades) if strip is not None and strip_width else ()),
        )
        if phase.error and phase.state is not PhaseState.FAILED:
            yield (("  ", ""), (fit(f"✗ {phase.error}", width - 2), "bad"))


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
        # Tenths of what still runs would change ten times a second, and tell nobody anything.
        took = duration(spent) if phase.state is PhaseState.CURRENT else fine_duration(spent)
    usual = fine_duration(phase.average) if phase.average is not None else UNKNOWN
    return (
        (f"{glyph} ", style),
        (fit(phase.name, name_width), text.get(phase.state, "muted")),
        (" ", ""),
        (fit(took, _TIMES, "right"), "warn" if slow else "text" if took != "skipped" else "muted"),
        (f" {fit(usual, _TIMES, 'right')}  ", "muted"),
    )


def _errors(job: JobView, width: int, scene: Scene) -> Iterator[Line]:
    yield _title("ERROR" if len(job.errors) == 1 else f"{len(job.errors)} ERRORS", width)
    for error in reversed(job.errors):
        yield from _error(error, width, scene)


def _error(error: ErrorView, width: int, scene: Scene) -> Iterator[Line]:
    at = clock_time(error.at, scene.local, scene.wall, seconds=True)
    where = f"in {error.phase}" if error.phase else ""
    facts = "  ".join(word for word in (error.kind, where, "" if at == UNKNOWN else f"at {at}") if word)
    for number, text in enumerate(wrap(error.message or error.kind or "no reason given", width - 2)):
        yield (("✗ " if number == 0 else "  ", "bad"), (text, "bad-strong"))
    yield (("  ", ""), (fit(facts, width - 2), "muted"))
    if error.details:
        yield from (((("  ", ""), *line)) for line in _facts(error.details, width - 2))


def _facts(value: object, width: int, depth: int = 0) -> Iterator[Line]:
    """Yield a decoded JSON value as `key  value` lines; what is inside something stands further in."""
    indent: Span = ("  " * depth, "")
    if isinstance(value, dict):
        longest = max((len(str(key)) for key, each in value.items() if not _nested(each)), default=0)
        key_width = min(_MOST_KEY, longest)
        for key, each in value.items():
            if _nested(each):
                yield (indent, (fit(str(key), width - 2 * depth).rstrip(), "muted"))
                yield from _facts(each, width, depth + 1)
                continue
            room = max(8, width - 2 * depth - key_width - 2)
            for number, text in enumerate(wrap(_scalar(each), room)):
                label = fit(str(key), key_width) if number == 0 else " " * key_width
                yield (indent, (f"{label}  ", "muted"), (text, "text"))
    elif isinstance(value, list):
        for each in value:
            if _nested(each):
                yield (indent, ("-", "muted"))
                yield from _facts(each, width, depth + 1)
            else:
                texts = wrap(_scalar(each), max(8, width - 2 * depth - 2))
                yield from (
                    (indent, ("- " if not at else "  ", "muted"), (text, "text")) for at, text in enumerate(texts)
                )
    else:
        yield from (((indent, (text, "text"))) for text in wrap(_scalar(value), max(8, width - 2 * depth)))


def _nested(value: object) -> bool:
    """Return whether a value takes lines of its own; a short list of plain values doesn't."""
    if isinstance(value, list):
        plain = not any(isinstance(each, dict | list) for each in value)
        return not plain or len(_scalar(value)) > _MOST_LIST
    return isinstance(value, dict) and bool(value)


def _scalar(value: object) -> str:
    """Return a value as text on one line."""
    if isinstance(value, list):
        return ", ".join(_scalar(each) for each in value) if value else UNKNOWN
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def _wrapped(text: str, width: int, style: str) -> Iterator[Line]:
    yield from (((line, style),) for line in wrap(text, width))
