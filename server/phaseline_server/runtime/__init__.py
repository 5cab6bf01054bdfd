"""One running server: its parts, their start and their shutdown."""
