"""Watching work that is already running: processes, logs and other programs' servers. One module per source."""
