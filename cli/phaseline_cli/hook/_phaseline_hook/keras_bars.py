"""Report the epochs and steps of Keras, also those that it does not print."""

from types import ModuleType
from typing import Any

from .pipe import Bar, followed


def patch(module: ModuleType) -> None:
    """Have the callbacks of Keras report."""
    kind = module.CallbackList
    kind.on_epoch_begin = followed(kind.on_epoch_begin, _begin_epoch)
    kind.on_train_batch_end = followed(kind.on_train_batch_end, _count)
    kind.on_epoch_end = followed(kind.on_epoch_end, _end_epoch)
    kind.on_train_end = followed(kind.on_train_end, _end)


def _begin_epoch(callbacks: Any, epoch: int, *_: Any) -> None:
    epochs = callbacks.__dict__.setdefault("_phaseline_epochs", None) or Bar("keras", "epoch")
    callbacks._phaseline_epochs = epochs
    epochs.report(epoch, callbacks.params.get("epochs"), at_once=True)
    callbacks._phaseline_steps = Bar("keras", "steps")
    callbacks._phaseline_steps.report(0, callbacks.params.get("steps"))


def _count(callbacks: Any, step: int, *_: Any) -> None:
    callbacks._phaseline_steps.report(int(step) + 1, callbacks.params.get("steps"), "steps")


def _end_epoch(callbacks: Any, epoch: int, *_: Any) -> None:
    callbacks._phaseline_steps.close()
    callbacks._phaseline_epochs.report(int(epoch) + 1, callbacks.params.get("epochs"), at_once=True)


def _end(callbacks: Any, *_: Any) -> None:
    callbacks._phaseline_epochs.close()
