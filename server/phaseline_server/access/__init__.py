"""Access control: tokens, grants, origin checks and the guard in front of every route."""
