"""A queue of commands without a daemon: files, locks, and processes that end when there is nothing to do."""
