"""Watching what runs already: a process, a log, and the servers of other programs. Each source is one module."""
