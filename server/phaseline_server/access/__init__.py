"""Who may do what: tokens, grants, origins, and the guard in front of every route."""
