"""Errors that only the picture API raises."""

from phaseline.errors import PhaselineError, shown

__all__ = [
    "BadSeriesFile",
    "NoPicture",
    "NoRun",
    "OutsideDataDir",
    "PictureError",
    "ProviderError",
    "UnknownSeries",
]


class UnknownSeries(PhaselineError):
    """No file defines this series."""

    code = "UNKNOWN_SERIES"
    status = 404

    def __init__(self, series: str, known: list[str]) -> None:
        """Show the name and list the `known` series."""
        super().__init__(
            f"series {shown(series)} is not defined; defined: {', '.join(known)}; "
            "to add one, create series/<name>.json in the data directory"
        )


class BadSeriesFile(PhaselineError):
    """The file that defines a series can't be used."""

    code = "BAD_SERIES_FILE"
    status = 422

    def __init__(self, file: str, problem: str) -> None:
        """Name the `file` and its `problem`, which ends with what is allowed."""
        super().__init__(f"series file {file}: {problem}")


class OutsideDataDir(PhaselineError):
    """A symbolic link in the data directory leads out of its folder."""

    code = "OUTSIDE_DATA_DIR"
    status = 403

    def __init__(self, path: str, folder: str) -> None:
        """Name the `path` and the `folder` that it must stay in. The link's target is not shown to clients."""
        super().__init__(
            f"{shown(path)} leads out of {folder} through a symbolic link; "
            f"allowed: links that stay in {folder}; replace the link with a file"
        )


class NoRun(PhaselineError):
    """The picture does not exist and is not being made. A plain GET does not start a run."""

    code = "NO_RUN"
    status = 404

    def __init__(self, series: str, address: str) -> None:
        """Name the picture and explain how to start its run."""
        super().__init__(
            f"{series}/{address} has no run and no picture; "
            f"start one with GET /dalle/{series}/{address}?generate=1 or POST /dalle/{series}/{address}"
        )


class NoPicture(PhaselineError):
    """The annotated picture does not exist, or not yet."""

    code = "NO_PICTURE"
    status = 404

    def __init__(self, series: str, address: str) -> None:
        """Name the picture."""
        super().__init__(
            f"{series}/{address} has no annotated picture yet; poll /dalle/{series}/{address} until done is true"
        )


class PictureError(PhaselineError):
    """The data from a provider is not a complete picture of an allowed size."""

    code = "PICTURE_ERROR"
    status = 502


class ProviderError(PhaselineError):
    """A provider of pictures or prompts rejected a request, failed, or did not answer in time."""

    code = "PROVIDER_ERROR"
    status = 502
