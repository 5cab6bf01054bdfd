"""Report the epochs, batches and validations of Lightning, also without its progress bar."""

from types import ModuleType
from typing import Any, Iterable
from weakref import WeakKeyDictionary

from .training import Training, preceded

_TRAININGS: "WeakKeyDictionary[Any, Training]" = WeakKeyDictionary()
"""Our state by trainer. It is not stored on the trainer, which is pickled for other processes."""
_ASIDES = {
    "on_validation_batch_end": "validation",
    "on_test_batch_end": "test",
    "on_predict_batch_end": "predict",
}
"""The hooks of validation, test and prediction, with the names in Lightning's progress bar."""
_ENDS = frozenset({"on_sanity_check_end", "on_validation_end", "on_test_end", "on_predict_end"})
_EPOCHS = frozenset({"on_train_epoch_start", "on_train_batch_end", "on_train_epoch_end", "on_fit_end", "on_exception"})
_FOLLOWED = _EPOCHS | _ENDS | frozenset(_ASIDES)


def patch(module: ModuleType) -> None:
    """Patch the function that calls a trainer's callbacks, so that it reports."""
    module._call_callback_hooks = preceded(module._call_callback_hooks, _report)  # type: ignore[attr-defined]


def _report(trainer: Any, hook_name: str, *args: Any, **_: Any) -> None:
    if hook_name not in _FOLLOWED or not trainer.is_global_zero:
        return
    training = _TRAININGS.get(trainer)
    if training is None:
        training = _TRAININGS[trainer] = Training("lightning", first=0)
    epoch, epochs = trainer.current_epoch, _positive(trainer.max_epochs)
    if hook_name == "on_train_epoch_start":
        training.begin_epoch(epoch, epochs)
        training.step(0, _finite(trainer.num_training_batches), "batches", _by_steps(trainer))
    elif hook_name == "on_train_batch_end":
        training.step(int(args[2]) + 1, _finite(trainer.num_training_batches), "batches", _by_steps(trainer))
    elif hook_name == "on_train_epoch_end":
        training.end_epoch(epoch + 1, epochs)
    elif hook_name in ("on_fit_end", "on_exception"):
        training.end()
    elif hook_name in _ENDS:
        training.end_aside()
    elif hook_name in _ASIDES:
        _aside(training, trainer, hook_name, args)


def _aside(training: Training, trainer: Any, hook_name: str, args: "tuple[Any, ...]") -> None:
    name, (_, _, number, *loader) = _ASIDES[hook_name], args
    done = int(number) + 1
    if hook_name == "on_validation_batch_end":
        totals = trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches
    else:
        totals = trainer.num_test_batches if name == "test" else trainer.num_predict_batches
    if trainer.sanity_checking:
        name = "sanity check"
    if loader and isinstance(totals, list):
        done += int(sum(totals[: loader[0]]))
    training.aside(name, done, _finite(totals), within=_is_within_epoch(trainer))


def _is_within_epoch(trainer: Any) -> bool:
    """Return whether batches of the present epoch follow."""
    return trainer.state.fn == "fit" and not trainer.sanity_checking and not trainer.is_last_batch


def _by_steps(trainer: Any) -> "float | None":
    """Return the fraction of a training that ends after a number of steps; None if it ends after its epochs."""
    steps = _positive(trainer.max_steps)
    return None if steps is None else min(1.0, trainer.global_step / steps)


def _positive(number: Any) -> "int | None":
    """Return a limit; None if there is none."""
    return int(number) if number is not None and 0 < number < float("inf") else None


def _finite(totals: "float | Iterable[float] | None") -> "int | None":
    """Return the number of batches of all loaders; None if one is endless."""
    numbers = [totals] if isinstance(totals, (int, float)) else list(totals or [])
    return _positive(sum(numbers)) if numbers else None
