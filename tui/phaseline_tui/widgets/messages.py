"""What the parts of the program tell each other: past-tense facts."""

from textual.message import Message

from phaseline_tui.model.connection import Batch
from phaseline_tui.model.jobs import JobKey

__all__ = ["BatchesReceived", "FilterChanged", "JobChosen", "RowChosen", "SearchChanged", "TitleClicked"]


class BatchesReceived(Message):
    """The links have received something."""

    def __init__(self, batches: tuple[Batch, ...]) -> None:
        self.batches = batches
        super().__init__()


class JobChosen(Message):
    """The cursor of the list stands on another job, or on none."""

    def __init__(self, key: JobKey | None) -> None:
        self.key = key
        super().__init__()


class FilterChanged(Message):
    """The text of the filter is another."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class RowChosen(Message):
    """The cursor of a table stands on another row."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__()


class SearchChanged(Message):
    """The text to search for is another."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class TitleClicked(Message):
    """The titles of a table were clicked at a cell of their line."""

    def __init__(self, cell: int) -> None:
        self.cell = cell
        super().__init__()
