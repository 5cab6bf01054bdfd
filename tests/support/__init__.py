"""Shared code of the tests: servers, clients, worlds and screens, imported as `tests.support.…`."""
