"""Drawing of the machines that do the work: a row each, and the details of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from phaseline_tui.drawing.bars import bar
from phaseline_tui.drawing.boxes import box_line, free_at
from phaseline_tui.drawing.cells import Line, Span, fit, middle, pad_line, width_of_text
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tables import Column, columns_that_fit, heading_of, row_of
from phaseline_tui.model.boxes import latest_free
from phaseline_tui.model.jobs import JobView, Shares, State
from phaseline_tui.model.shown import percent_words
from phaseline_tui.model.words import UNKNOWN, count_of, duration, remaining
from phaseline_tui.model.workers import Gpu, Load, WorkerHost

__all__ = ["unused", "worker_details", "worker_heading", "worker_row"]

_METER: Final = 8
_RANGE: Final = 15
_COLUMNS: Final = (
    Column("mark", "", 1),
    Column("host", "HOST", 10, grows=1, cut="middle"),
    Column("jobs", "JOBS", 4, align="right"),
    Column("stalled", "", 4, priority=5),
    Column("queued", "QUEUED", 6, priority=8, align="right"),
    Column("free", "FREE AT", _RANGE, priority=10),
    Column("silence", "SILENT", 7, priority=8, align="right"),
    Column("load_meter", "", _METER, priority=6),
    Column("load", "LOAD", 9, priority=9),
    Column("memory_meter", "", _METER, priority=3),
    Column("memory", "MEMORY", 9, priority=7),
    Column("gpu", "GPU", 14, priority=4),
    Column("names", "WORKS ON", 18, priority=2, grows=2),
)
_KNOWN: Final[Mapping[str, Callable[[WorkerHost], object]]] = {
    "stalled": lambda host: host.stalled,
    "queued": lambda host: host.queued,
    "free": lambda host: host.boxes,
    "load": lambda host: host.load is not None and host.load.load is not None,
    "memory": lambda host: host.load is not None and host.load.memory_used is not None,
    "gpu": lambda host: host.load is not None and host.load.gpus,
}
"""Whether a machine has a value for a column that may have none."""
_SILENT_S: Final = 60.0
_BUSY: Final = 100.0
_FULL: Final = 90.0
_UNITS: Final = "BKMGTP"


def unused(hosts: Sequence[WorkerHost]) -> frozenset[str]:
    """Return the keys of the columns that are empty or unknown in all rows."""
    empty = {key for key, is_known in _KNOWN.items() if not any(map(is_known, hosts))}
    return frozenset(column.key for column in _COLUMNS if column.key.removesuffix("_meter") in empty)


def worker_heading(width: int, hidden: frozenset[str] = frozenset()) -> Line:
    """Return the column titles without those in `hidden`; that of a figure is above its meter, if that has room."""
    columns = _columns(width, hidden)
    metered = {column.key.removesuffix("_meter"): column.key for column in columns if column.key.endswith("_meter")}
    titles = {column.key: column.title for column in columns}
    for figure, meter in metered.items():
        titles[meter], titles[figure] = titles[figure], ""
    return heading_of([column._replace(title=titles[column.key]) for column in columns])


def _columns(width: int, hidden: frozenset[str]) -> list[Column]:
    return columns_that_fit([column for column in _COLUMNS if column.key not in hidden], width)


def worker_row(host: WorkerHost, width: int, scene: Scene, hidden: frozenset[str] = frozenset()) -> Line:
    """Return the row of a machine in `width` cells, without the columns in `hidden`."""
    load = host.load if host.load is not None and not host.load.is_old(scene.now) else None
    silence, stalled = host.silence_at(scene.now), host.stalled
    columns = _columns(width, hidden)
    cells: dict[str, Span] = {
        "mark": ("◐", "warn") if stalled else ("●", "good") if host.jobs else ("○", "muted"),
        "host": (host.label, "strong" if host.key.name else "muted"),
        "jobs": (f"{len(host.jobs)}", "strong" if host.jobs else "muted"),
        "stalled": (f"◐ {stalled}" if stalled else "", "warn"),
        "queued": (f"{host.queued}" if host.queued else "", "muted"),
        "free": (free_at(latest_free(host.boxes, scene.now), scene, _RANGE), "text" if host.boxes else "muted"),
        "silence": (
            UNKNOWN if silence is None else duration(silence),
            "warn" if silence is not None and silence >= _SILENT_S else "muted",
        ),
        "load": (_load_words(load), "warn" if load is not None and (load.share or 0) > _BUSY else "text"),
        "memory": (_memory_words(load), "warn" if load is not None and (load.memory_share or 0) > _FULL else "text"),
        "gpu": _gpu_words(load),
        "names": (_names(host, next((each.width for each in columns if each.key == "names"), 0), scene), "muted"),
    }
    line: list[Span] = []
    for column in columns:
        if line:
            line.append(("  ", ""))
        if column.key == "load_meter":
            line += _meter(None if load is None else load.share, scene)
        elif column.key == "memory_meter":
            line += _meter(None if load is None else load.memory_share, scene)
        else:
            line += row_of([column], cells)
    return tuple(line)


def _meter(share: float | None, scene: Scene) -> Line:
    if share is None:
        return ((" " * _METER, ""),)
    percent = min(share, 100.0)
    return bar(Shares(0.0, percent, percent), _METER, shades=scene.shades)


def _load_words(load: Load | None) -> str:
    if load is None or load.load is None:
        return UNKNOWN
    return f"{load.load:.1f}" if load.processors is None else f"{load.load:.1f}/{load.processors}"


def _memory_words(load: Load | None) -> str:
    if load is None or load.memory_used is None or not load.memory_total:
        return UNKNOWN
    return _of(load.memory_used, load.memory_total)


def _of(used: float, total: float) -> str:
    """Return two sizes in the unit of the second: `12/64G`."""
    power = 0
    while total / 1024**power >= 999.5 and power < len(_UNITS) - 1:  # noqa: PLR2004 (three digits)
        power += 1
    return f"{used / 1024**power:.0f}/{total / 1024**power:.0f}{_UNITS[power]}"


def _gpu_words(load: Load | None) -> Span:
    """Return the use and the memory of one graphics processor, or the average use and the memory of all."""
    if load is None or not load.gpus:
        return UNKNOWN, "muted"
    uses = [gpu.use for gpu in load.gpus if gpu.use is not None]
    count = f"{len(load.gpus)}x " if len(load.gpus) > 1 else ""
    use = f"{sum(uses) / len(uses):.0f}%" if uses else UNKNOWN
    memory = [(gpu.memory_used, gpu.memory_total) for gpu in load.gpus]
    total = sum(whole or 0.0 for _, whole in memory)
    known = total and all(used is not None for used, _ in memory)
    words = f" {_of(sum(used or 0.0 for used, _ in memory), total)}" if known else ""
    return f"{count}{use}{words}", "text"


def _names(host: WorkerHost, width: int, scene: Scene) -> str:
    """Return the names of the machine's jobs, as many as fit."""
    words: list[str] = []
    room = width
    for number, job in enumerate(_in_order(host)):
        percent, left = f" {percent_words(job, scene.now)}", len(host.jobs) - number
        word = job.name + percent
        after = len(f"  +{left - 1}") if left > 1 else 0
        if words and room < width_of_text(word) + after:
            return f"{'  '.join(words)}  +{left}"
        if width_of_text(word) + after > room:
            word = middle(job.name, max(1, room - after - len(percent))).rstrip() + percent
        words.append(word)
        room -= width_of_text(word) + 2
    return "  ".join(words)


def _in_order(host: WorkerHost) -> list[JobView]:
    """Return the jobs of a machine: stalled ones first, then those that are done soonest."""
    return sorted(host.jobs, key=lambda job: (job.state is not State.STALLED, -job.percent, job.job_id))


def worker_details(host: WorkerHost, width: int, most: int, scene: Scene) -> list[Line]:
    """Return the details of a machine in at most `most` lines: its queues, its graphics processors, and its jobs."""
    load = host.load
    head: list[Span] = [(f" {host.label}", "strong"), (f"  {_count(host)}", "muted")]
    if load is None or load.load is None:
        head.append(("  load unknown", "muted"))
    elif load.is_old(scene.now):
        head.append((f"  load unknown for {duration(scene.now - load.at)}", "muted"))
    elif load.share is not None:
        head.append((f"  {load.share:.0f}% of {count_of(load.processors or 0, 'processor')}", "muted"))
    lines: list[Line] = [pad_line(tuple(head), width)]
    lines += [pad_line(box_line(box, scene), width) for box in host.boxes[: max(1, most // 2)]]
    gpus = load.gpus if load is not None and not load.is_old(scene.now) else ()
    lines += [_gpu_line(gpu) for gpu in gpus[: max(0, min(most // 3, most - len(lines)))]]
    room = most - len(lines)
    jobs = _in_order(host)
    shown = jobs if len(jobs) <= room else jobs[: max(0, room - 1)]
    lines += [_job_line(job, width, scene) for job in shown]
    if len(shown) < len(jobs) and room > 0:
        lines.append(((f" … {len(jobs) - len(shown)} more; Enter lists them", "muted"),))
    return lines


def _count(host: WorkerHost) -> str:
    words = count_of(len(host.jobs), "job") if host.jobs else "no jobs at work"
    return f"{words}, {host.stalled} stalled" if host.stalled else words


def _gpu_line(gpu: Gpu) -> Line:
    use = UNKNOWN if gpu.use is None else f"{gpu.use:.0f}%"
    known = gpu.memory_used is not None and gpu.memory_total
    memory = f"  {_of(gpu.memory_used or 0.0, gpu.memory_total or 0.0)}" if known else ""
    return ((" GPU ", "label"), (f"{gpu.name or UNKNOWN}  ", "text"), (f"{use}{memory}", "muted"))


def _job_line(job: JobView, width: int, scene: Scene) -> Line:
    stalled = job.state is State.STALLED
    name = max(8, min(40, width // 3))
    silence = job.silence_at(scene.now)
    left = job.remaining_at(scene.now)
    words = f"{job.stall_reason or 'silent'} for {duration(silence)}" if silence is not None else ""
    style = "warn" if stalled else "muted"
    return (
        (f" {job.state.sign} ", "warn" if stalled else "now"),
        (middle(job.name, name), "text"),
        (f" {fit(percent_words(job, scene.now), 4, 'right')}  ", "strong"),
        (words or (f"{remaining(left)} left" if left is not None else "time left unknown"), style),
        (f"  {job.current.name}" if job.current is not None else "", "muted"),
    )
