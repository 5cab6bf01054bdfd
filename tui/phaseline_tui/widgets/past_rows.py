"""The table of past jobs."""

from phaseline_tui.widgets.row_list import RowList

__all__ = ["PastRows"]


class PastRows(RowList):
    """The rows. After the key for the last row, the cursor stays on it until all jobs have arrived."""

    to_end = False

    def choose(self, index: int) -> None:
        """Move the cursor to a row."""
        self.to_end = False
        super().choose(index)

    def action_last(self) -> None:
        """Move the cursor to the last row, which may arrive later."""
        super().action_last()
        self.to_end = True

    def place(self, index: int, top: int) -> None:
        """Put the cursor on a row and a row at the top, after rows were added above."""
        self.cursor = index
        self.update_rows()
        self.scroll_to(y=max(0, top), animate=False)
