"""Messages between the widgets, the screens and the app."""

from textual.message import Message

from phaseline_tui.model.connection import Batch
from phaseline_tui.model.jobs import JobKey

__all__ = ["BatchesReceived", "FilterChanged", "JobChosen", "PastEdge", "RowChosen", "SearchChanged", "TitleClicked"]


class BatchesReceived(Message):
    """The links have received batches."""

    def __init__(self, batches: tuple[Batch, ...]) -> None:
        self.batches = batches
        super().__init__()


class JobChosen(Message):
    """The cursor of the list has moved to another job, or to none."""

    def __init__(self, key: JobKey | None) -> None:
        self.key = key
        super().__init__()


class FilterChanged(Message):
    """The text of the filter has changed."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class PastEdge(Message):
    """The cursor of a table was to move beyond its first or last row, by this number of lines."""

    def __init__(self, lines: int) -> None:
        self.lines = lines
        super().__init__()


class RowChosen(Message):
    """The cursor of a table has moved to another row."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__()


class SearchChanged(Message):
    """The search text has changed."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class TitleClicked(Message):
    """The column titles of a table were clicked, at this cell of their line."""

    def __init__(self, cell: int) -> None:
        self.cell = cell
        super().__init__()
