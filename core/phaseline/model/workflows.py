"""Workflows: the phases of a job and their order.

Two are built in: `PICTURES`, whose jobs the server runs itself, and `PHOTO`. The phases of any other come from its
reporter, which declares them with `job_started` or adds them as it reports them.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from phaseline.errors import InvalidAddress, InvalidSeries

__all__ = [
    "PHOTO",
    "PICTURES",
    "Picture",
    "PicturePhase",
    "Workflow",
    "makes_pictures",
    "picture_of",
    "reserved_for_pictures",
    "valid_address",
    "valid_series",
    "workflow",
]


class PicturePhase(StrEnum):
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


PICTURES: Final = Workflow("dalle", tuple(PicturePhase), fixed=True)
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


class _BuiltIn(NamedTuple):
    """A built-in workflow.

    Attributes:
        workflow: Its name and phases.
        pictures: Whether the server runs its jobs itself, each of which makes one picture.
    """

    workflow: Workflow
    pictures: bool = False

    @property
    def id_prefix(self) -> str:
        """Prefix of the ids of its jobs."""
        return f"{self.workflow.name}:"


_BUILT_IN: Final = {each.workflow.name: each for each in (_BuiltIn(PICTURES, pictures=True), _BuiltIn(PHOTO))}
_PICTURE_PREFIXES: Final = tuple(each.id_prefix for each in _BUILT_IN.values() if each.pictures)

_SERIES = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{1,64}", re.ASCII)


def workflow(name: str, phases: tuple[str, ...] = ()) -> Workflow:
    """Return the built-in workflow `name`, or one with the declared `phases`."""
    built_in = _BUILT_IN.get(name)
    return Workflow(name, phases) if built_in is None else built_in.workflow


def makes_pictures(name: str | None) -> bool:
    """Return whether the jobs of the workflow `name` make pictures."""
    built_in = None if name is None else _BUILT_IN.get(name)
    return built_in is not None and built_in.pictures


def reserved_for_pictures(job_id: str) -> bool:
    """Return whether only a workflow that makes pictures has jobs with such an id."""
    return job_id.startswith(_PICTURE_PREFIXES)


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


class Picture(NamedTuple):
    """A picture, which a job of `PICTURES` makes. It does not check its fields."""

    series: str
    address: str

    @property
    def job_id(self) -> str:
        """Id of the job that makes it."""
        return f"{PICTURES.name}:{self.series}:{self.address}"

    @property
    def path(self) -> str:
        """Path of its route."""
        return f"/dalle/{self.series}/{self.address}"

    def __str__(self) -> str:
        return f"{self.series}/{self.address}"


def picture_of(job_id: str) -> Picture | None:
    """Return the picture that the job with this id makes; None for any other id."""
    name, _, rest = job_id.partition(":")
    series, _, address = rest.partition(":")
    valid = name == PICTURES.name and _SERIES.fullmatch(series) and _ADDRESS.fullmatch(address)
    return Picture(series, address) if valid else None
