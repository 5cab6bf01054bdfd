"""Report the epochs, steps and validations of Keras, also those that it does not print."""

from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from .training import Training, preceded

_TRAININGS: "WeakKeyDictionary[Any, Training]" = WeakKeyDictionary()
"""Our state by callbacks object. It is not stored on that object, which a model may save or copy."""
_FITTING: "WeakKeyDictionary[Any, bool]" = WeakKeyDictionary()
"""The callbacks that are called by `fit`, which a validation shares."""


def patch(module: ModuleType) -> None:
    """Have the callbacks of Keras report."""
    kind = module.CallbackList
    for name, report in {
        "on_epoch_begin": _begin_epoch,
        "on_train_batch_end": _count,
        "on_epoch_end": _end_epoch,
        "on_train_end": _end,
        "on_test_batch_end": _test,
        "on_test_end": _end_aside,
        "on_predict_batch_end": _predict,
        "on_predict_end": _end_aside,
    }.items():
        setattr(kind, name, preceded(getattr(kind, name), report))


def _training(callbacks: Any) -> Training:
    found = _TRAININGS.get(callbacks)
    if found is None:
        found = _TRAININGS[callbacks] = Training("keras")
    return found


def _begin_epoch(callbacks: Any, epoch: int, *_: Any, **__: Any) -> None:
    _FITTING[callbacks] = True
    training = _training(callbacks)
    training.begin_epoch(int(epoch), callbacks.params.get("epochs"))
    training.step(0, callbacks.params.get("steps"))


def _count(callbacks: Any, step: int, *_: Any, **__: Any) -> None:
    _training(callbacks).step(int(step) + 1, callbacks.params.get("steps"))


def _end_epoch(callbacks: Any, epoch: int, *_: Any, **__: Any) -> None:
    _training(callbacks).end_epoch(int(epoch) + 1, callbacks.params.get("epochs"))


def _end(callbacks: Any, *_: Any, **__: Any) -> None:
    _FITTING.pop(callbacks, None)
    _training(callbacks).end()


def _test(callbacks: Any, step: int, *_: Any, **__: Any) -> None:
    fitting = callbacks in _FITTING
    total = None if fitting else callbacks.params.get("steps")  # the batches of `fit` are an epoch's steps
    _training(callbacks).aside("validate" if fitting else "evaluate", int(step) + 1, total)


def _predict(callbacks: Any, step: int, *_: Any, **__: Any) -> None:
    _training(callbacks).aside("predict", int(step) + 1, callbacks.params.get("steps"))


def _end_aside(callbacks: Any, *_: Any, **__: Any) -> None:
    _training(callbacks).end_aside()
