"""A read-only mirror of another server: it copies that server's log into its own data directory, and serves it."""
