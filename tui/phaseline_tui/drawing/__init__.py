"""Drawing: pure functions that return lines of styled text. Of Textual, only themes and colors are used."""
