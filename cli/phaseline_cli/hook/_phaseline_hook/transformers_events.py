"""Report the epochs, steps and evaluations of a Trainer of transformers, also those that it does not print."""

from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from .training import Training, length, preceded

_TRAININGS: "WeakKeyDictionary[Any, _Trainer]" = WeakKeyDictionary()
"""Our state by callback handler. It is not stored on the handler, which a program may copy."""
_NEARLY = 1e-6


def patch(module: ModuleType) -> None:
    """Have the callbacks of trainers report."""
    kind = module.CallbackHandler
    kind.call_event = preceded(kind.call_event, _report)


class _Trainer:
    """One trainer, and the place in its training."""

    def __init__(self) -> None:
        self.training = Training("transformers")
        self.epoch = 0
        """The epochs that are done."""
        self.before = 0
        """The steps that were done before the present epoch."""
        self.within = False
        """Whether an epoch is not at its end."""
        self.evaluated = 0
        """The batches of an evaluation or a prediction that are done."""

    def begin_epoch(self, state: Any) -> None:
        self.epoch, self.before, self.within = int((state.epoch or 0) + _NEARLY), state.global_step, True
        self.training.begin_epoch(self.epoch, self._epochs(state))
        self.training.step(0, None, run=_by_steps(state))

    def step(self, state: Any) -> None:
        done, part = state.global_step - self.before, (state.epoch or 0) - self.epoch
        total = round(done / part) if part > 0 else None
        self.training.step(done, total, run=_by_steps(state))

    def end_epoch(self, state: Any) -> None:
        self.within = False
        self.training.end_epoch(self.epoch + 1, self._epochs(state))

    def evaluate(self, batches: Any) -> None:
        self.evaluated += 1
        self.training.aside("evaluate", self.evaluated, length(batches), within=self.within)

    def end_aside(self) -> None:
        self.evaluated = 0
        self.training.end_aside()

    def end(self) -> None:
        self.within = False
        self.training.end()

    def _epochs(self, state: Any) -> Any:
        return max(state.num_train_epochs or 0, self.epoch + 1)


def _report(handler: Any, event: str, args: Any, state: Any, control: Any, **options: Any) -> None:  # noqa: ARG001
    if not state.is_world_process_zero:
        return
    trainer = _TRAININGS.get(handler)
    if trainer is None:
        trainer = _TRAININGS[handler] = _Trainer()
    if event == "on_epoch_begin":
        trainer.begin_epoch(state)
    elif event == "on_step_end":
        trainer.step(state)
    elif event == "on_epoch_end":
        trainer.end_epoch(state)
    elif event == "on_prediction_step":
        trainer.evaluate(getattr(handler, "eval_dataloader", None))
    elif event in ("on_evaluate", "on_predict"):
        trainer.end_aside()
    elif event == "on_train_end":
        trainer.end()


def _by_steps(state: Any) -> "float | None":
    return state.global_step / state.max_steps if state.max_steps and state.max_steps > 0 else None
