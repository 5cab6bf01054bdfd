"""Every setting of the server."""
