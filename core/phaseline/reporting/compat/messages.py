"""The stages and the messages of the photo protocol."""

from enum import StrEnum
from typing import Any, Final

from phaseline.errors import InvalidField
from phaseline.model.workflows import PHOTO
from phaseline.reporting.record import encoded, timestamp

__all__ = ["Message", "ProcessingStage", "photo_message", "stage_name"]

_STAGES: Final = (*PHOTO.phases, *PHOTO.extras, *PHOTO.ends)

Message = dict[str, Any]


class ProcessingStage(StrEnum):
    """The stages of the photo protocol."""

    IMPORTING = "importing"
    EXIF_ANALYSIS = "exif_analysis"
    AI_EVALUATION = "ai_evaluation"
    CONTEXT_DETECTION = "context_detection"
    PRESET_SELECTION = "preset_selection"
    APPLYING_PRESET = "applying_preset"
    QUALITY_CHECK = "quality_check"
    EXPORTING = "exporting"
    COMPLETED = "completed"
    FAILED = "failed"


def stage_name(stage: object) -> str:
    """Return the name of a stage, given as its name or as a member of any enumeration of stages.

    Raises:
        InvalidField: It is not a stage of the photo protocol.
    """
    name = getattr(stage, "value", stage)
    if not isinstance(name, str) or name not in _STAGES:
        raise InvalidField("stage", name, ", ".join(_STAGES))
    return name


def photo_message(kind: str, job_id: str, photo_id: int | str | None, **fields: Any) -> Message:
    """Return a message of the photo protocol.

    Raises:
        PhaselineError: The server would reject it.
    """
    made = {"type": kind, "job_id": job_id, "photo_id": photo_id, **fields, "timestamp": timestamp()}
    encoded(made)
    return made
