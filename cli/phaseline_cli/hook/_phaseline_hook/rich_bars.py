"""Report what the tasks of `rich.progress` count, also where they are not drawn."""

import functools
from types import ModuleType
from typing import Any

from .pipe import Bar

_CHANGES = ("add_task", "start_task", "update", "advance", "reset", "stop_task", "remove_task")
_ENDS = ("stop_task", "remove_task")


def patch(module: ModuleType) -> None:
    """Have `rich.progress.Progress` report."""
    kind = module.Progress
    for name in _CHANGES:
        setattr(kind, name, _changing(name, getattr(kind, name)))
    stop = kind.stop

    @functools.wraps(stop)
    def stops(self: Any) -> Any:
        result = stop(self)
        try:
            for task_id in list(self.__dict__.get("_phaseline", ())):
                _end(self, task_id)
        except Exception:  # the program must run, even if its progress is lost
            pass
        return result

    kind.stop = stops


def _changing(name: str, method: Any) -> Any:
    @functools.wraps(method)
    def changes(self: Any, *args: Any, **options: Any) -> Any:
        result = method(self, *args, **options)
        try:
            task_id = result if name == "add_task" else args[0] if args else options["task_id"]
            if name in _ENDS:
                _end(self, task_id)
            else:
                _report(self, task_id, at_once=name == "reset")
        except Exception:  # as above
            pass
        return result

    return changes


def _report(progress: Any, task_id: Any, at_once: bool = False) -> None:
    task = progress._tasks[task_id]
    bars = progress.__dict__.setdefault("_phaseline", {})
    bar = bars.get(task_id)
    if bar is None:
        if not task.visible or task.start_time is None or task.finished:
            return
        bar = bars[task_id] = Bar("rich", task.description)
    bar.report(task.completed, task.total, at_once=at_once)


def _end(progress: Any, task_id: Any) -> None:
    if task_id in progress._tasks:
        _report(progress, task_id, at_once=True)
    progress._phaseline.pop(task_id).close()
