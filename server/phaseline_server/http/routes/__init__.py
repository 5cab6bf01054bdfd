"""The routes, a file per family: each decodes, calls, and encodes."""
