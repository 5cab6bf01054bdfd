"""What the view knows, as pure data: no Textual, no Trio."""
