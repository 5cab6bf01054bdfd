"""The conditions of waiting jobs: `--after` another job, of this queue, of another one, or of another machine."""

from collections.abc import Iterable
from typing import Final

from phaseline_cli.client.connection import Away, Rejected, connect
from phaseline_cli.client.failures import Failure
from phaseline_cli.queue.store import Store, queues

__all__ = ["check_conditions"]

_ANSWER_S: Final = 2.0
_WORDS: Final = {"failed": "failed", "cancelled": "was cancelled", "lost": "is lost"}


def check_conditions(store: Store) -> None:
    """Drop the conditions that are met; cancel the jobs whose conditions can't be met any more."""
    with store.locked():
        names = {name for job in store.waiting() for name in job.after}
    if not names:
        return
    states = _states_here(names)
    states |= _states_elsewhere(names - states.keys())
    with store.locked():
        for job in store.waiting():
            bad = next((name for name in job.after if states.get(name) in _WORDS), None)
            left = [name for name in job.after if states.get(name) != "completed"]
            if bad is not None:
                job.end("cancelled", f"it waited for the job {bad}, which {_WORDS[states[bad]]}")
                store.write(job)
            elif left != job.after:
                job.after = left
                store.write(job)


def _states_here(names: set[str]) -> dict[str, str]:
    """Return the states of the jobs that are in a queue of this machine."""
    found: dict[str, str] = {}
    for queue in queues():
        store = Store(queue)
        with store.locked():
            found |= {name: store.job(name).state for name in names if store.path(name, "json").is_file()}
    return found


def _states_elsewhere(names: Iterable[str]) -> dict[str, str]:
    """Return the states of the jobs that the server knows."""
    found: dict[str, str] = {}
    try:
        for name in sorted(names):
            with connect(None, _ANSWER_S, _ANSWER_S) as connection:
                try:
                    found[name] = str(connection.job(name)["state"])
                except (Rejected, KeyError):
                    continue  # it is not known, perhaps not yet
    except (Away, Failure):
        pass  # the runner asks again
    return found
