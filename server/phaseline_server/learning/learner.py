"""Learning from every ended job, outside of the path of reports; stored in the journal and rebuilt from it."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

import msgspec
import structlog
import trio

from phaseline.errors import DiskFull
from phaseline.eta import EmaEngine
from phaseline.eta.model import MAX_SERIES, ModelEngine
from phaseline.eta.observed import Run
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Estimate, Moment
from phaseline.model.statistics import Statistics
from phaseline_server.errors import LogUnavailable
from phaseline_server.learning.habits import Habits
from phaseline_server.learning.learned_boxes import LearnedBoxes
from phaseline_server.learning.scores import Scores
from phaseline_server.learning.sketches import Rolling, Sketches
from phaseline_server.log.learned import EncodedRun, Learned, Outcomes
from phaseline_server.log.protocol import Store

__all__ = ["Learning"]

_log: Final = structlog.get_logger()
_SCORES_S: Final = 1.0
_REST_EVERY: Final = 10
_RECENT: Final = 64
_MOST_ANEW: Final = 2000
"""Maximum number of runs to learn again at a start, about 2 ms each; older ones have little influence."""
_MOST_PHASES: Final = 5000
_UPTO: Final = ("model", "upto")  # the number of the last run included in the states
_COMMON: Final = ("common", "model")  # the state shared by all series

_runs: Final = msgspec.json.Decoder(Run)
_keys: Final = msgspec.json.Decoder(tuple[str, ...])

Kind = str
_KINDS: Final = frozenset({"model", "scores", "gaps", "boxes"})


class Learning:
    """The learned state of all workflows; a `Listener` of the tracker.

    Attributes:
        habits: How long each phase is usually silent.
        model: The engine that learns.
        durations: Percentiles of each phase: by workflow, series and phase, in seconds.
        recent: The latest durations of each, in seconds, oldest first.
        scores: The accuracy of estimates.
        boxes: The state learned about when each host and queue is free.
    """

    def __init__(self, store: Store, statistics: Statistics) -> None:
        """Save the learned state in `store`; score the moving averages of `statistics` as well."""
        self.habits = Habits()
        self.model = ModelEngine()
        self.durations = Sketches(_MOST_PHASES)
        self.recent: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()
        self.scores = Scores()
        self.boxes = LearnedBoxes()
        self._store = store
        self._ema = EmaEngine(statistics)
        self._ended: deque[Job] = deque()
        self._stored: deque[EncodedRun] = deque()
        self._news = trio.Event()
        self._upto = 0
        self._dirty: set[tuple[Kind, tuple[str, ...]]] = set()
        self._saved: set[tuple[Kind, str]] = set()

    # ------------------------------------------------------------------ the tracker's listener

    def reported(self, job: Job, now: Moment) -> None:
        """See `Listener.reported`."""
        self.habits.note(job, now)

    def estimated(self, job: Job, now: Moment, estimate: Estimate) -> None:
        """See `Listener.estimated`."""
        self.scores.note(job, now, estimate, self._ema.estimate(job, now).remaining_ns)
        self.model.watch(job.job_id, job.elapsed_ns(now), estimate)

    def ended(self, jobs: Sequence[Job], durations: Sequence[PhaseDuration]) -> None:
        """See `Listener.ended`."""
        for duration in durations:
            self._note(duration.workflow, duration.series, duration.phase, duration.duration_ns)
        self._ended.extend(jobs)
        self._news.set()

    def _note(self, workflow: str, series: str, phase: str, duration_ns: int) -> None:
        key, seconds = (workflow, series, phase), duration_ns / 1e9
        self.durations.add(key, seconds)
        self.recent.setdefault(key, deque(maxlen=_RECENT)).append(seconds)
        self.recent.move_to_end(key)
        if len(self.recent) > _MOST_PHASES:
            self.recent.popitem(last=False)

    # ------------------------------------------------------------------ learning

    async def run(self) -> None:
        """Learn from ended jobs, one at a time, and save at intervals, until cancelled.

        Raises:
            JournalFailed: The disk failed.
        """
        await self.save()  # at once: otherwise a server that keeps crashing would learn again at every start
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._save_often)
            while True:
                await self._news.wait()
                self._news = trio.Event()
                while self._ended:
                    self._learn(self._ended.popleft())
                    await trio.lowlevel.checkpoint()

    def take_over(self, durations: Iterable[PhaseDuration], runs: Iterable[EncodedRun]) -> None:
        """Learn from what another server has stored of ended jobs."""
        for duration in durations:
            self._note(duration.workflow, duration.series, duration.phase, duration.duration_ns)
        self._stored.extend(runs)
        self._news.set()

    async def run_followed(self) -> None:
        """Learn from stored runs, one at a time, and save nothing, until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._stored:
                self._learn_run(self._stored.popleft())
                await trio.lowlevel.checkpoint()

    def learn_ended(self) -> None:
        """Learn at once from all ended jobs."""
        while self._ended:
            self._learn(self._ended.popleft())

    def _learn(self, job: Job) -> None:
        self._upto = max(self._upto, job.seq)
        if key := self.scores.end(job):
            self._dirty.add(("scores", key))
        if changed := self.model.learn(job):
            self._dirty.add(("model", changed))

    async def _save_often(self) -> None:
        """Save scores, which can't be rebuilt, each second; save the rest, which can, less often."""
        for number in count(1):
            await trio.sleep(_SCORES_S)
            await self.save(_KINDS if number % _REST_EVERY == 0 else frozenset({"scores"}))

    async def save(self, kinds: frozenset[Kind] = _KINDS) -> None:
        """Save the changes since the last save in the log; without room or database, log that and retry later.

        Raises:
            JournalFailed: The disk failed.
        """
        self.learn_ended()
        if "gaps" in kinds:
            self._dirty |= {("gaps", key) for key in self.habits.gaps.changed}
            self.habits.gaps.changed.clear()
        if "boxes" in kinds:
            self._dirty |= {("boxes", key) for key in self.boxes.changed}
            self.boxes.changed.clear()
        dirty = {each for each in self._dirty if each[0] in kinds}
        states, gone = self._states(dirty), self._gone() if "model" in kinds else set()
        if not states and not gone:
            return
        self._dirty -= dirty
        try:
            await self._store.save_learned(states, gone)
        except (DiskFull, LogUnavailable) as error:
            _log.warning("can't save the learned estimates; retrying", error=str(error))
            self._dirty |= dirty
        else:
            self._saved = (self._saved | {(kind, name) for kind, name, _ in states}) - gone

    def _states(self, dirty: set[tuple[Kind, tuple[str, ...]]]) -> list[tuple[str, str, bytes]]:
        states: list[tuple[str, str, bytes]] = []
        known = set(self.model.keys())
        for kind, key in dirty:
            if kind == "scores":
                states.append((kind, _name(key), self.scores.encode((key[0], key[1]))))
            elif kind == "gaps" and (rolling := self.habits.gaps.get(key)) is not None:
                states.append((kind, _name(key), rolling.encode()))
            elif kind == "boxes" and (state := self.boxes.state((key[0], key[1]))) is not None:
                states.append((kind, _name(key), state))
            elif kind == "model" and (key[0], key[1]) in known:
                states.append((kind, _name(key), self.model.encode((key[0], key[1]))))
        if any(kind == "model" for kind, _ in dirty):
            states.append((*_COMMON, self.model.encode_common()))
            states.append((*_UPTO, str(self._upto).encode()))
        return states

    def _gone(self) -> set[tuple[str, str]]:
        """Return the states in the journal that were evicted from memory as least recently used."""
        present = {("model", _name(key)) for key in self.model.keys()}  # noqa: SIM118 - no mapping
        present |= {("scores", _name(key)) for key in self.scores.keys()}  # noqa: SIM118
        present |= {("gaps", _name(key)) for key, _ in self.habits.gaps.items()}
        present |= {("boxes", _name(key)) for key in self.boxes.keys()}  # noqa: SIM118
        return self._saved - present

    async def outcomes(self, most: int) -> Outcomes:
        """Return how often each phase failed, and the `most` runs of each workflow that took longest.

        Raises:
            JournalFailed: The disk failed.
        """
        return await self._store.outcomes(most)

    # ------------------------------------------------------------------ at the start

    def restore(self, learned: Learned) -> None:
        """Load the learned state; learn missing or damaged parts again."""
        for workflow, series, phase, duration_ns in learned.durations:
            self._note(workflow, series, phase, duration_ns)
        states = dict(learned.states)
        self._upto, common = int(states.pop(_UPTO, b"0")), states.pop(_COMMON, None)
        self._saved = set(states)
        latest: dict[tuple[str, ...], int] = {(run.workflow, run.series): run.seq for run in learned.runs}
        keyed = [(kind, _keys.decode(name), state) for (kind, name), state in states.items()]
        # The most recent series come last, so that they stay if there are too many.
        keyed.sort(key=lambda each: latest.get(each[1][:2], 0))
        for kind, key, state in keyed:
            try:
                self._take_up(kind, key, state)
            except (ValueError, msgspec.DecodeError) as error:
                _log.warning(
                    "can't read a learned state; learning it again", kind=kind, key=_name(key), error=str(error)
                )
        self._learn_anew(learned.runs, common)

    def _take_up(self, kind: str, key: tuple[str, ...], state: bytes) -> None:
        if kind == "gaps":
            self.habits.gaps.put(key, Rolling.decode(state))
        elif kind == "scores":
            self.scores.decode((key[0], key[1]), state)
        elif kind == "boxes":
            self.boxes.restore((key[0], key[1]), state)
        elif kind == "model":
            self.model.decode((key[0], key[1]), state)

    def _learn_anew(self, runs: Sequence[EncodedRun], common: bytes | None) -> None:
        """Learn the runs of series whose state is missing, then those that came after all states."""
        upto, known = self._upto, set(self.model.keys())
        missing = [run for run in runs if run.seq <= upto and (run.workflow, run.series) not in known]
        # With the maximum number of series, the missing ones were evicted, so they are not learned again.
        for run in missing[-_MOST_ANEW:] if len(known) < MAX_SERIES else ():
            self._learn_run(run)
        if common is not None:
            try:
                self.model.decode_common(common)
            except ValueError as error:
                _log.warning("can't read the learned state of all series; starting without it", error=str(error))
        for run in [run for run in runs if run.seq > upto][-_MOST_ANEW:]:
            self._learn_run(run)

    def _learn_run(self, run: EncodedRun) -> None:
        self._dirty.add(("model", self.model.learn_run(_runs.decode(run.body))))
        self._upto = max(self._upto, run.seq)


def _name(key: Sequence[str]) -> str:
    return msgspec.json.encode(key).decode()
