"""The command line of `progress-server`."""
