"""Workflows: the phases of a job and their order.

Two are built in, `dalle` and `photo`. The phases of any other come from its reporter, which declares them with
`job_started` or adds them as it reports them.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from phaseline.errors import InvalidAddress, InvalidSeries

__all__ = ["DALLE", "PHOTO", "DallePhase", "Workflow", "dalle_job_id", "valid_address", "valid_series", "workflow"]


class DallePhase(StrEnum):
    """The phases of a picture's run. On the wire `completed` follows as an eighth."""

    SETUP = "setup"
    BASE_PROMPTS = "base_prompts"
    ENHANCE_PROMPT = "enhance_prompt"
    IMAGE_PREP = "image_prep"
    IMAGE_WAIT = "image_wait"
    IMAGE_DOWNLOAD = "image_download"
    ANNOTATE = "annotate"


class Workflow(msgspec.Struct, frozen=True):
    """A named sequence of phases.

    Attributes:
        name: Its name in reports.
        phases: The phases known in advance, in order.
        fixed: Whether a phase outside `phases` and `extras` is an error.
        extras: Optional phases of a fixed workflow, added to a job when they are reported.
        ends: Names that some clients report as phases although they only mark the end of a job.
    """

    name: str
    phases: tuple[str, ...] = ()
    fixed: bool = False
    extras: tuple[str, ...] = ()
    ends: tuple[str, ...] = ("completed", "failed")


DALLE: Final = Workflow("dalle", tuple(DallePhase), fixed=True)
PHOTO: Final = Workflow(
    "photo",
    (
        "importing",
        "exif_analysis",
        "ai_evaluation",
        "context_detection",
        "preset_selection",
        "applying_preset",
        "quality_check",
        "exporting",
    ),
    fixed=True,
    # The Lightroom plug-in reports these two before and after the eight.
    extras=("preparation", "finalizing"),
)
_BUILT_IN: Final = {DALLE.name: DALLE, PHOTO.name: PHOTO}

_SERIES = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{1,64}", re.ASCII)


def workflow(name: str, phases: tuple[str, ...] = ()) -> Workflow:
    """Return the built-in workflow `name`, or one with the declared `phases`."""
    return _BUILT_IN.get(name) or Workflow(name, phases)


def valid_series(name: str) -> str:
    """Return `name` if it is a valid name of a series.

    Raises:
        InvalidSeries: It is not 1 to 64 letters, digits, `_` or `-`.
    """
    if not _SERIES.fullmatch(name):
        raise InvalidSeries(name)
    return name


def valid_address(text: str) -> str:
    """Return the address in lower case, as it is stored.

    Raises:
        InvalidAddress: It is not `0x` and 1 to 64 hexadecimal digits.
    """
    if not _ADDRESS.fullmatch(text):
        raise InvalidAddress(text)
    return text.lower()


def dalle_job_id(series: str, address: str) -> str:
    """Return the job id of the picture `(series, address)`; both must be valid."""
    return f"dalle:{series}:{address}"
