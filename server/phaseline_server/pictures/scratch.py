"""The unfinished files of pictures: `output/.scratch` in the data directory.

All methods block, so call them in worker threads.
"""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from phaseline_server.atomic_files import write_error
from phaseline_server.errors import DataDirError
from phaseline_server.pictures.errors import OutsideDataDir
from phaseline_server.pictures.safe_paths import inside

__all__ = ["Scratch", "check_data_dir"]


class Scratch:
    """The folder for unfinished files of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        """Use the folder `output/.scratch` of `data_dir`, which is created with the first file."""
        self._data_dir = data_dir
        self._output = data_dir / "output"

    @property
    def folder(self) -> Path:
        """The folder, created if it is missing.

        Raises:
            DiskFull, DataDirError: The folder cannot be created.
            OutsideDataDir: It is a symbolic link that points outside `output`.
        """
        folder = self._output / ".scratch"
        inside(self._output, folder)
        check_data_dir(self._data_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from None
        return folder

    def new_file(self) -> Path:
        """Return a new path in the folder; raises the same errors as `folder`."""
        return self.folder / f"{uuid4().hex}.png"

    @staticmethod
    def write(path: Path, content: bytes) -> None:
        """Write an unfinished file, which need not survive a power failure.

        Raises:
            DiskFull, DataDirError: The file cannot be written.
        """
        try:
            path.write_bytes(content)
        except OSError as error:
            raise write_error(path, error) from None

    def clear(self) -> None:
        """Remove unfinished files of a killed server, as far as possible."""
        folder = self._output / ".scratch"
        with suppress(OSError, OutsideDataDir):
            inside(self._output, folder)
            for path in folder.iterdir():
                path.unlink(missing_ok=True)


def check_data_dir(data_dir: Path) -> None:
    """Check that the data directory exists; it may be an unmounted disk, so it is never created.

    Raises:
        DataDirError: It does not exist, or is not accessible.
    """
    if not os.path.isdir(data_dir):  # noqa: PTH112 - returns False for an inaccessible directory
        raise DataDirError(
            f"data directory {data_dir} does not exist or is not accessible; "
            "mount or create it, and make it writable for this user"
        )
