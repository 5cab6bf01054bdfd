"""The HTTP application: its routes, response types, error responses and web page."""
