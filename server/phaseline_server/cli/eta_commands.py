"""`progress-server eta-report` and `eta-backtest`: the accuracy of past estimates, and of an engine on past runs."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from phaseline_server.cli.configuration import Given, errors_printed, given, with_location

if TYPE_CHECKING:
    from phaseline.eta.backtest import Past, Replayable
    from phaseline_server.log.sqlite import PastRun

__all__ = ["eta_backtest", "eta_report"]

_FIRST: Final = 5


def _name(workflow: str, series: str) -> str:
    return f"{workflow} {series}".rstrip()


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows in aligned columns: the first to the left, the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for first, *others in lines:
        cells = [f"{other:>{width}}" for other, width in zip(others, widths[1:], strict=True)]
        click.echo("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())


@click.command("eta-report", short_help="Print the accuracy of estimates.")
@with_location
@given
def eta_report(call: Given) -> None:
    """Print the accuracy of the estimates of each series.

    It scores the last 200 runs in the journal of the data directory.

    \b
    error    median error of the remaining time, as a percentage of the run's length
    in band  how often the true value was between the low and the high estimate;
             the target is 80 %
    ema      the error of moving averages

    A second table has the forecasts of when each host and queue was free, for the batches of jobs that completed.
    """  # noqa: D301 - click reads the backspace
    from phaseline_server.learning.learned_boxes import read_boxes  # noqa: PLC0415
    from phaseline_server.learning.scores import read_scores  # noqa: PLC0415
    from phaseline_server.log.sqlite import read_history  # noqa: PLC0415 (`--help` needs none of it)

    with errors_printed():
        states = read_history(call.data_dir()).states
    rows = [
        (_name(one.workflow, one.series), str(one.runs), *map(_share, (one.error, one.coverage, one.ema_error)))
        for one in read_scores(states).table()
    ]
    if not rows:
        click.echo("no runs scored yet: a job is scored when it completes and its series has earlier runs")
        return
    _table(("series", "runs", "error", "in band", "ema"), rows)
    boxes = [
        (_name(*key), str(one.batches), _share(one.error), _share(one.coverage)) for key, one in read_boxes(states)
    ]
    if boxes:
        click.echo()
        _table(("host and queue", "batches", "error", "in band"), boxes)


@click.command("eta-backtest", short_help="Replay past runs through an estimation engine.")
@click.argument("source", metavar="[TRACES|JOURNAL]", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--engine", "engines", multiple=True, type=click.Choice(["model", "ema"]), help="Use only this engine. [both]"
)
@with_location
@given
def eta_backtest(call: Given, source: Path | None, engines: tuple[str, ...]) -> None:
    """Replay past runs and print how accurate the estimates would have been.

    TRACES is a file of JSON lines or a folder of such files. JOURNAL is a data directory or its journal.sqlite3; the
    default is --data-dir. The engine estimates each run at 20 moments, and learns from it only after its end.

    If runs waited in queues, a second table has the forecasts of when their host is free. Its column "off by 2" is the
    share of forecasts that are off by more than a factor of two.
    """
    from phaseline.eta.backtest import Ema, replay, score  # noqa: PLC0415 (numpy)
    from phaseline.eta.box_replay import replay_boxes, score_boxes  # noqa: PLC0415
    from phaseline.eta.replay import Model  # noqa: PLC0415

    known: dict[str, Callable[[], Replayable]] = {"model": Model, "ema": Ema}
    rows: list[tuple[str, ...]] = []
    boxes: list[tuple[str, ...]] = []
    with errors_printed():
        sets = [_recorded(call.data_dir())] if source is None else list(_sets(source))
    for name, runs in sets:
        for engine in engines or tuple(known):
            estimates = replay(runs, known[engine]())
            found, first = score(estimates), score(estimates, lambda one: one.place < _FIRST)
            if found is not None and first is not None:
                figures = (_share(found.nae1), _share(first.nae1), _share(found.coverage), _share(found.stuck))
                rows.append((name, engine, str(found.runs), *figures))
        free = score_boxes(replay_boxes(runs, Model())) if any(run.queue for run in runs) else None
        if free is not None:
            boxes.append((name, str(free.looks), *map(_share, (free.nae1, free.coverage, free.off2))))
    if not rows:
        click.echo("no completed runs found; name traces, or a data directory with completed jobs")
        return
    _table(("traces", "engine", "runs", "error", "first five", "in band", "stuck at 0"), rows)
    if boxes:
        click.echo()
        _table(("when the box is free", "forecasts", "error", "in band", "off by 2"), boxes)


def _sets(source: Path) -> Iterator[tuple[str, "list[Past]"]]:
    """Yield each set of runs with its name.

    Raises:
        JournalUnusable: The journal is not readable.
        InvalidJSON: A line is not a run.
    """
    import msgspec  # noqa: PLC0415 (as above)

    from phaseline.errors import InvalidJSON  # noqa: PLC0415
    from phaseline.eta.backtest import load  # noqa: PLC0415
    from phaseline_server.log.sqlite import find_journal  # noqa: PLC0415

    journal = find_journal(source)
    if journal is not None:
        yield _recorded(journal)
        return
    for path in sorted(source.glob("*.jsonl")) if source.is_dir() else [source]:
        try:
            with path.open("rb") as lines:
                yield path.stem, load(lines)
        except msgspec.DecodeError as error:
            raise InvalidJSON(f"{path}: {error}; allowed: one run per line, as described in docs/eta.md") from None


def _recorded(journal: Path) -> tuple[str, "list[Past]"]:
    """Return the runs in a journal, or in the journal of a data directory; raise JournalUnusable if there is none."""
    from phaseline.eta.backtest import load  # noqa: PLC0415 (as above)
    from phaseline_server.log.sqlite import read_history  # noqa: PLC0415

    return "journal", load(_lines(read_history(journal).runs))


def _lines(runs: "Iterable[PastRun]") -> Iterator[bytes]:
    """Yield the journal's runs as lines of a trace."""
    import msgspec  # noqa: PLC0415 (as above)

    from phaseline.eta.observed import Run  # noqa: PLC0415

    for past in runs:
        run = msgspec.json.decode(past.body, type=Run)
        line: dict[str, Any] = {
            "series": _name(run.workflow, run.series),
            "startedNs": past.ended_ns - past.duration_ns,
            "ok": True,
            "phases": [
                {"name": s.name, "durationMs": s.ms or 0.0, "skipped": s.skipped, "marks": run.marks.get(s.name)}
                for s in run.steps
            ],
            "covariates": run.covariates,
        }
        yield msgspec.json.encode(line)
