"""One module a command; each has a click command `NAME_command`."""
