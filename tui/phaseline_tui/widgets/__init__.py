"""The parts of a screen. Each keeps what it shows, and repaints the lines that changed."""
