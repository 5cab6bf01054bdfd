"""The terminal: window title, graphics, encoding of cells, termination."""
