"""The program `progress-tui`: its command line, and the view as plain lines."""
