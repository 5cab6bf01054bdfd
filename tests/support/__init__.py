"""What tests share: servers, clients, worlds and screens, imported as `tests.support.…`."""
