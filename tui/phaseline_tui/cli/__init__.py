"""The program `progress-tui`: its command line, and its plain-text output."""
